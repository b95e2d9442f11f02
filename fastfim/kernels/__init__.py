"""The compiled hot loop: a block of draws in, sums of scores, outer products and Hessians out.

`block` says what a block of work is, and has it compiled once a likelihood. `calls` is how it is called, and `assembly`
how it is put together of three passes over chunks of draws:

1. draw: `passes`, by `drawing` eight at a time; `placing` says how draws lie in memory;
2. differentiate: `passes`, by `tiling` on tiles of draws, by `taping` where parameters are many; `spatial` and
   `spatial_passes` along the draw;
3. sum: `summing`, and `products` where outer products are large.

`diagnosis` runs a faulty block once more, draw by draw, and names the culprit.
"""

"""From sums to matrices, and how far these can be trusted: pure functions of what a run has summed up.

`estimators` makes one matrix a stream; `jackknife`, `regularity` and `significance` say what their spread means;
`stopping` says when it is enough; `soundness`, `tails` and `identifiability` whether what it rests on holds.
"""

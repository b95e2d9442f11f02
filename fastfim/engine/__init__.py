"""From a likelihood to its estimate: a look at single draws, a choice, and rounds of blocks until it is enough.

`estimate` takes the call, which `options` and one draw in plain Python (`trial`) have checked. `pilot` draws apart from
the run; `smoothness` compares its Hessians with secants, and `preview` says what that means. `control` fits control
variates to one half of it, `heldout` judges them by the other, `choice` decides. Blocks go to `workers`; after each
round `judging` says where the run stands, and `progress` tells who wants to know; `verdicts` and `conclusion` say how
it ended. `batch` does all of this at many points together.
"""

"""Is the model right, and is the matrix? What goes beyond the checks of every estimate.

`check` examines a model by the parts in `checking`. `views` holds the matrix by each of its `definitions` side by side,
those by `divergence` among them. `verify` tests a claimed matrix, and `slips` knows what usually went wrong. `observed`
takes data, by which `misspecification` tests the model, and `from_scores` takes scores made elsewhere.
"""

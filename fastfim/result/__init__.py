"""The answer, and what follows from it: the matrix and derived quantities with error bars, printed and on disk.

`fisher_estimate` holds it; `derived` and `spectrum` make quantities of it, `target` those that a tolerance may apply
to, `transformed` the matrix of other parameters. A `quantity` has an error bar, `notation` and `printing` write it,
`checks` say what speaks for it, `files` keeps it; `arguments` validates what methods are given.
"""

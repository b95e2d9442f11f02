"""The answer, and what follows from it: the matrix and derived quantities with error bars, printed and on disk.

`fisher_estimate` holds it; `derived` and `spectrum` make quantities of it, `target` those that a tolerance may apply
to. A `quantity` has an error bar, `notation` and `printing` write it, `files` keeps it.
"""

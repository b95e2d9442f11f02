"""Quantile functions: what turns a coordinate of a quasi-random point into a variate."""

"""Exact random draws that JAX lacks or makes slowly; for one chain, cheap under `vmap`.

numbers   uniform and normal numbers, choices without replacement
counts    symbols, multinomial and Poisson counts
threefry  the words they are all made of, those of `jax.random`
"""

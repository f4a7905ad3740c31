"""Text from a decoder: greedy, sampled or by beam search; compiled as a whole, in fixed shapes.

generate   prompts to continuations, batch by batch
stepping   a prompt's keys, and one step of many beams after it
sampling   one token after another, drawn or the likeliest
beams      beam search as transformers defines it
choice     from logits to a token: penalties, restrictions, a draw
plan       the settings of all this
"""

from ouroboros_jax.decoding.generate import continue_rows, generate
from ouroboros_jax.decoding.plan import Generated, Knobs, Plan

__all__ = ["Generated", "Knobs", "Plan", "continue_rows", "generate"]

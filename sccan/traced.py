"""Whether what is computed now is being written down as a graph."""

import torch


def becomes_graph() -> bool:
    """Whether a graph is made of this computation, which then serves for other sizes and values.

    So no value may be looked at, nothing may be cut into a number of parts that depends on a size, and what computes
    the graph chooses for itself how.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing()

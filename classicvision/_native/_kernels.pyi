"""What the compiled module shows to Python; the modules beside it check and allocate."""

import numpy as np
from numpy.typing import NDArray

def instruction_set() -> str: ...
def lanes() -> int: ...
def find_sift(
    gray: NDArray[np.uint8],
    n_layers: int,
    sigma: float,
    contrast: float,
    edge_ratio: float,
    upsample: bool,
    /,
) -> tuple[bytes, bytes]: ...

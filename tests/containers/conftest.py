"""What tests of several files of one library share."""

import pytest
from optional import require


@pytest.fixture(scope="module")
def unchecked_invariants():
    """PyTorch warns where it was not told whether to check the indices of sparse tensors, which takes it long."""
    with require("torch").sparse.check_sparse_tensor_invariants(False):
        yield

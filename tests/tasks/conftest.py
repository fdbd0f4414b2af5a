"""What the tests of tasks share with those of data, training and serving."""

from data.conftest import _md5, server  # noqa: F401 they are fixtures
from serving.conftest import (  # noqa: F401
    bundle,
    description,
    images,
    network,
    one_thread,
    processor,
    whole_bundle,
)
from training.conftest import left_alone, torch_is_put_back  # noqa: F401

"""studies/machine_faults: what is of the machine, what of the trial. What comes of it: engines/test_sharing_worker."""

from __future__ import annotations

import pytest

from ecrnn.core.errors import DataError, TrainingError
from ecrnn.studies.machine_faults import is_of_machine


@pytest.mark.parametrize("error", [TrainingError("loss is not finite"), RuntimeError("shapes differ"), KeyError("x")])
def test_errors_of_the_trial_itself(error: Exception) -> None:
    assert not is_of_machine(error)


def test_an_error_for_users_is_what_it_came_of() -> None:
    error = DataError("cannot read a.png: Input/output error")
    assert not is_of_machine(error)
    error.__cause__ = OSError(5, "Input/output error")
    assert is_of_machine(error)

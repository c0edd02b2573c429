"""Named tasks without lm-eval; with it they run in tests_integrations/test_tasks.py."""

import importlib.util

import pytest

from workers.models import LoadedModel
from workers.named_tasks import NamedTasksUnavailable, evaluate_tasks


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is not None, reason="lm-eval is installed here")
def test_a_worker_without_lm_eval_says_what_to_install(proxy: LoadedModel) -> None:
    with pytest.raises(NamedTasksUnavailable, match="pip install 'evoselect\\[lm-eval\\]'"):
        evaluate_tasks(["arc_challenge"], proxy, folder=None, limit=None, check=lambda: None)

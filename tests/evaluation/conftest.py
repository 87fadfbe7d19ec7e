"""The classifiers of the attacks' tests: what the probes are tested on, too."""

from tests.attacks.conftest import robust_model, robust_models, undefended_model

__all__ = ["robust_model", "robust_models", "undefended_model"]

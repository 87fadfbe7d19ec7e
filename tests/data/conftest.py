"""What the data tests share: a prepared digits folder, real images where they are, and no waiting."""

import urllib.request

import pytest

from redoubt import data
from redoubt.data import fetch


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(fetch, "WAIT_S", 0.0)


@pytest.fixture
def no_network(monkeypatch):
    """Every request fails as on a machine without a network; the requested addresses are returned."""
    asked = []

    def refuse(request, *args, **kwargs):
        asked.append(getattr(request, "full_url", request))
        raise urllib.error.URLError(OSError(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr("torch.hub.urlopen", refuse)
    return asked


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The folder of the prepared digits, not to be changed."""
    folder = tmp_path_factory.mktemp("prepared") / "digits"
    data.prepare("digits", folder)
    return folder

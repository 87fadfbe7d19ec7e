import subprocess
import sys

import pytest

from redoubt import data
from redoubt.data.augment import KINDS
from redoubt.errors import RedoubtError


def test_every_promised_data_set_is_described():
    promised = [
        "digits",
        "mnist",
        "fashion_mnist",
        "cifar10",
        "cifar100",
        "svhn",
        "tiny_imagenet",
        "imagenette",
    ]
    assert data.names() == [*promised, "sdp_mnist", "sdp_cifar10"]
    for name in data.names():
        info = data.describe(name)
        assert info.name == name
        assert info.augment in KINDS
        assert info.download == (name != "digits")
        assert len(info.class_names) == (0 if name == "tiny_imagenet" else info.num_classes)
        assert len(set(info.class_names)) == len(info.class_names)


def test_cifar100_classes_are_in_the_makers_order():
    names = data.describe("cifar100").class_names
    assert list(names) == sorted(names)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(RedoubtError) as error:
        data.describe("cifar-10")
    assert error.value.nearest == "cifar10"
    assert "tiny_imagenet" in str(error.value)


def test_importing_and_describing_import_nothing_slow():
    code = (
        "import sys, redoubt.data as d; d.describe('cifar10'); "
        "sys.exit(str([m for m in ('torch', 'torchvision', 'sklearn', 'scipy', 'PIL') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"


def test_loading_imports_no_torch_until_tensors_are_asked_for(digits):
    code = (
        f"import sys, redoubt.data as d; s = d.load({str(digits)!r}).split('test'); n = len(s); "
        "assert 'torch' not in sys.modules; s.tensors('cpu'); assert 'torch' in sys.modules; print(n)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "500"

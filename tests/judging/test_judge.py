"""A model that no study knows, judged: numbers, files, a page, and a restart after a kill."""

import csv
import io
import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import redoubt
from redoubt import attacks
from redoubt.attacks.core.engine import distance
from redoubt.judging import judgment
from redoubt.judging.chunks import Store
from redoubt.records import results
from redoubt.records.packed_booleans import unpack
from tests.judging.conftest import EPS, IMAGES

pytestmark = pytest.mark.usefixtures("quick")
SUITE = {"suite": "screen", "eps": EPS, "batch_size": 25}
SLOW = ("seconds", "provenance")


@pytest.fixture(scope="module")
def judged(own, digits, quick, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    x, y = digits[1]
    report = redoubt.judge(
        own.load(), x, y, out=out, adversarial=True, claims=["99:clean"], name="net", **SUITE
    )
    return report, out


def plain(record):
    """A record without what differs between two calls."""
    rows = [{k: v for k, v in row.items() if k not in SLOW} for row in record["evaluations"]]
    for row in rows:
        for stage in row["info"].get("stages", ()):
            stage.pop("seconds")
    return {**{k: v for k, v in record.items() if k not in SLOW}, "evaluations": rows}


def test_an_honest_model_gets_its_numbers(judged, own, images):
    report, _ = judged
    x, y = torch.from_numpy(images[0]).float() / 255, torch.from_numpy(images[1])
    right = own.load().eval()(x).argmax(1) == y
    assert report.accuracy == pytest.approx(right.float().mean().item())
    assert 0.2 < report.worst < report.accuracy
    assert report.failed == []
    assert "No sign of masked gradients" in report.remarks[-1]
    assert "train mode" in report.remarks[0]
    frame = report.frame()
    assert frame["name"].tolist() == ["clean", "screen", "worst"]
    assert (frame["low"] <= frame["accuracy"]).all()
    assert frame["accuracy"].iloc[-1] == report.worst


def test_the_record_is_like_any_other(judged):
    report, out = judged
    path = out / "results" / "judged" / "external" / "net" / "seed0.json"
    record = results.read(path)
    assert plain(record) == {
        **plain(json.loads(json.dumps(report.record))),
        "stated": report.claims,
        "sha256": record["sha256"],
    }
    worst = results.frame([path]).set_index("name").loc["worst", "correct"]
    assert worst.mean() == pytest.approx(report.worst)
    assert re.fullmatch("[0-9a-f]{64}", record["provenance"]["model"]["weights_sha256"])
    stages = record["evaluations"][1]["info"]["stages"]
    assert [s["name"] for s in stages] == ["clean", "apgd_ce", "apgd_t"]
    assert stages[0]["standing"] == record["evaluations"][0]["correct_count"]
    assert stages[-1]["bits"] == record["evaluations"][1]["correct"]


def test_single_examples_are_told(judged, own, images):
    report, out = judged
    rows = list(csv.DictReader(io.StringIO((out / "examples.csv").read_text())))
    assert len(rows) == IMAGES
    held = np.load(out / "examples.npz", allow_pickle=False)
    fell = [row["fell_to"] for row in rows]
    assert fell == held["fell_to"].tolist()
    assert set(fell) <= {"", "clean", "screen"}
    assert [f == "" for f in fell] == report.stands.tolist()
    assert [int(r["screen"]) for r in rows] == held["correct_screen"].astype(int).tolist()
    image, points = held["image"], torch.from_numpy(held["x_adv"])
    assert image.tolist() == [i for i, f in enumerate(fell) if f == "screen"]
    x, y = torch.from_numpy(images[0]).float() / 255, torch.from_numpy(images[1])
    far = distance(points, x[image], "linf")
    assert far.max() <= EPS + 1e-5
    assert np.allclose(held["distance_screen"][image], far, atol=1e-6)
    assert (own.load().eval()(points).argmax(1) != y[image]).all()


def test_the_page_is_whole(judged):
    report, out = judged
    page = (out / "report.html").read_text()
    assert page == report.to_html()
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)
    assert "url(" not in page
    assert page.count("data:image/png;base64,") == 3 * min(8, len(report.examples.image))
    assert "no check failed" in page
    assert "No sign of masked gradients" in page
    assert f"{100 * report.worst:.1f}" in page
    assert "<table" in report._repr_html_()


def test_the_model_is_as_before(own, images):
    model = own.load().train()
    model.layer1.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    redoubt.judge(model, *images, images=20, **SUITE)
    assert model.training
    assert not model.layer1.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    "change",
    [
        lambda x: torch.from_numpy(x),
        lambda x: x.astype(np.float64) / 255,
        lambda x: torch.from_numpy(x).float() / 255,
        lambda x: x[:, 0],
        lambda x: x.transpose(0, 2, 3, 1),
    ],
    ids=["a tensor of bytes", "float64", "float32", "without channels", "channels last"],
)
def test_images_come_in_many_forms(own, images, change):
    x, y = images[0][:10], images[1][:10]
    bits = [redoubt.judge(own.load(), image, y, **SUITE).stands.tolist() for image in (x, change(x))]
    assert bits[0] == bits[1]


def test_chunks_are_the_whole(own, images):
    """Rows of chunks together are what each chunk found on its own."""
    x, y = images
    whole = redoubt.judge(own.load(), x[:40], y[:40], **SUITE)
    parts = [redoubt.judge(own.load(), x[s], y[s], **SUITE) for s in (slice(0, 25), slice(25, 40))]
    for name in ("clean", "screen"):
        pieces = np.concatenate([p.examples.correct[name] for p in parts])
        assert whole.examples.correct[name].tolist() == pieces.tolist()


class Killed(BaseException):
    pass


def test_a_kill_costs_one_chunk_and_changes_nothing(own, images, tmp_path, monkeypatch):
    x, y = images
    wanted = redoubt.judge(own.load(), x, y, **SUITE)
    calls = []
    attack = attacks.get("screen")

    def dies(model, x, y, **settings):
        calls.append(len(x))
        if len(calls) == 2:
            raise Killed
        return attack(model, x, y, **settings)

    monkeypatch.setattr(judgment.attacks, "get", lambda _: dies)
    with pytest.raises(Killed):
        redoubt.judge(own.load(), x, y, out=tmp_path, **SUITE)
    assert not (tmp_path / "report.html").exists()
    found = redoubt.judge(own.load(), x, y, out=tmp_path, **SUITE)
    assert calls == [25, 25, 25, 10]
    assert plain(found.record) == plain(wanted.record)
    assert found.examples.csv() == wanted.examples.csv()
    assert not (tmp_path / "partial").exists()


def test_what_was_made_otherwise_is_made_anew(tmp_path):
    made = []

    def chunk():
        made.append(1)
        empty = np.zeros(0)
        return judgment.Chunk([{"n": 0}], empty, empty, empty)

    for mark in ("a", "a", "b"):
        Store(tmp_path, mark).get("pgd-0", chunk)
    assert len(made) == 2
    (tmp_path / "pgd-0.npz").write_bytes(b"cut short")
    Store(tmp_path, "b").get("pgd-0", chunk)
    assert len(made) == 3


def test_progress_says_how_long(own, images, capsys):
    redoubt.judge(own.load(), *images, **SUITE)
    said = capsys.readouterr().err
    assert re.search(r"screen: 25/60 images, [\d.]+ % correct, about \d+ s left", said)
    assert re.search(r"screen: 60/60 images, [\d.]+ % correct$", said, re.M)


def test_the_full_suite(own, images):
    report = redoubt.judge(own.load(), *images, eps=EPS, suite="full", images=8)
    names = [r["name"] for r in report.record["evaluations"]]
    assert names == [
        "clean",
        "fgsm",
        "pgd",
        "pgd_margin",
        "pgd_dlr",
        "pgd_targets",
        "deepfool",
        "autoattack",
        "square",
    ]
    assert {"black_box_not_stronger", "iterative_at_least_one_step"} <= {c["name"] for c in report.checks}


def test_importing_the_package_stays_light():
    import subprocess
    import sys

    text = "import sys, redoubt; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'jugde'"):
        redoubt.jugde  # noqa: B018


def said(report):
    return " ".join(report.remarks)


def test_probabilities_are_undone(own, images):
    x, y = images[0][:25], images[1][:25]
    report, plain_ = (redoubt.judge(m, x, y, **SUITE) for m in (own.probabilities(), own.load()))
    assert "answers with probabilities" in said(report)
    assert abs(report.worst - plain_.worst) <= 1 / 25


def test_the_first_of_several_answers_is_judged(own, images):
    report = redoubt.judge(own.in_a_tuple(), *images, images=10, **SUITE)
    assert "2 things" in said(report)


def test_a_random_model_is_found(own, images):
    report = redoubt.judge(own.noisy(), *images, images=8, **SUITE)
    assert "draws at random" in said(report)
    rows = {r["name"]: r for r in report.record["evaluations"]}
    assert rows["rand"]["params"]["version"] == "rand"
    assert rows["pgd_eot"]["params"]["eot"] == 20
    assert rows["pgd_eot_every10"]["role"] == "diagnostic"
    assert rows["rand"]["info"]["random"]["draws"] == 10


def test_weights_of_another_precision_are_judged_in_a_copy(own, images):
    model = own.load().double()
    report = redoubt.judge(model, *images, images=10, **SUITE)
    assert "torch.float64" in said(report)
    assert next(model.parameters()).dtype == torch.float64


def test_a_plain_function_is_a_model(own, images):
    net = own.load().eval()
    report = redoubt.judge(lambda x: net(x), *images, images=10, **SUITE)
    assert report.accuracy > 0.5


def test_normalizing_twice_is_said(own, images):
    report = redoubt.judge(own.twice(), *images, images=40, **SUITE)
    assert "normalizes twice" in said(report)


class Wants(nn.Module):
    """Trained on pixels in [-1, 1], and fed others."""

    def __init__(self, net, mean, std):
        super().__init__()
        self.net, self.mean, self.std = net, mean, std

    def forward(self, x):
        return self.net(x * self.std + self.mean)


def test_pixels_of_another_scale_are_flagged(own, digits):
    (x, y), _ = digits
    net = own.load().eval()
    lacking = redoubt.judge(Wants(net, 0.5, 0.5).eval(), x[:100], y[:100], **SUITE)
    assert "judge_input_scale" in lacking.failed
    assert "lacks a normalization" in said(lacking)
    doubled = redoubt.judge(lambda x: net(2 * x - 1), x[:100], y[:100], **SUITE)
    assert "judge_input_scale" in doubled.failed
    assert "normalizes twice" in said(doubled)


def test_a_model_that_knows_nothing_is_said(images):
    class Wrong(nn.Module):
        def forward(self, x):
            return torch.cat([x.sum((1, 2, 3)).view(-1, 1) * 0, x.mean((1, 2, 3)).view(-1, 1) - 9], 1)

    report = redoubt.judge(Wrong().eval(), images[0][:10], np.ones(10, int), **SUITE)
    assert "none of the images correctly" in said(report)


def test_bits_of_every_row_are_kept(judged):
    report, _ = judged
    for row in report.record["evaluations"]:
        assert unpack(row["correct"], row["n"]).tolist() == report.examples.correct[row["name"]].tolist()

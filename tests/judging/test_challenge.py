"""Evidence from outside: what is in order counts from then on, what is not is refused, what is changed is found."""

import json
import shutil

import numpy as np
import pytest

from redoubt import attacks, data
from redoubt.audit.verify import verify
from redoubt.config import load_study
from redoubt.errors import RedoubtError
from redoubt.evaluation import check_table
from redoubt.evaluation.evaluator import attack_run
from redoubt.judging.challenge import Sent, challenge
from redoubt.judging.images import hashes
from redoubt.records import challenges, results
from redoubt.records.files import write_record
from redoubt.reports import terminal
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.trainer import Trainer
from tests.conftest import STUDY, run_of

RUN = "smoke/pgd_at/main"
# The suite is no attack at all, so that any is news.
WEAK = STUDY.replace("fgsm: {attack: fgsm}", "weak: {attack: none}").replace(
    "    pgd50: {attack: pgd, params: {steps: 5}}\n", ""
)
EPS = 0.1
ATTACK = '''
"""A whole attack, as someone sends it."""

from redoubt import attacks


def strong(model, x, y, *, eps, norm, seed, batch_size):
    return attacks.get("pgd")(model, x, y, eps=eps, norm=norm, seed=seed, batch_size=batch_size, steps=40)


def points(model, x, y, *, eps, **settings):
    return (x + eps).clamp(0, 1)


def leaves(model, x, y, *, eps, **settings):
    x[2] = (x[2] + 2 * eps).clamp(0, 1)
    return x


def raises(model, x, y, **settings):
    raise RuntimeError("no idea")


def nothing(model, x, y, **settings):
    return None
'''


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A project in which the smoke study's pgd_at was trained, and attacked by nothing."""
    root = tmp_path_factory.mktemp("recorded")
    (root / "studies").mkdir()
    (root / "studies" / "smoke.yaml").write_text(WEAK)
    data.prepare("digits", root / "data" / "smoke", validation=50, test=60, train=256)
    dataset, study = data.load(root / "data" / "smoke"), load_study(root / "studies" / "smoke.yaml")
    for seed in (0, 1):
        Trainer(root, run_of(root, seed=seed), dataset, "cpu").train()
        attack_run(root, study, run_of(root, seed=seed), dataset, "cpu")
    (root / "sent.py").write_text(ATTACK)
    return root


@pytest.fixture
def root(recorded, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(recorded, folder)
    return folder


def images(root):
    x, y = data.load(root / "data" / "smoke").split("test").tensors()
    return x, y


def examples(root, steps=40, seed=0):
    """Points that break a seed, as bytes in the ball, and of which images they are."""
    x, y = images(root)
    model = Checkpoints(root, run_of(root, seed=seed)).deployed()
    result = attacks.get("pgd")(model, x / 255, y, eps=EPS - 1 / 255, steps=steps, restarts=4)
    points = (255 * result.x_adv).round()
    right = lambda pixels: model(pixels / 255).argmax(1) == y
    broken = (right(x) & ~right(points)).nonzero()[:, 0]
    return points[broken].byte().numpy(), broken.numpy()


def sent(root, x_adv, image, **arrays):
    path = root / "adv.npz"
    named = {"sha256": np.array(hashes(images(root)[0].numpy()[image]))}
    np.savez(path, x_adv=x_adv, **(arrays or named))
    return Sent("A. Reader <reader@example.org>", path)


def result_of(root, seed=0):
    return root / "results" / RUN / f"seed{seed}.json"


def standing(root, seed=0):
    tidy = results.frame([result_of(root, s) for s in (0, 1)])
    return tidy[(tidy["name"] == "worst") & (tidy["seed"] == seed)]["correct"].iloc[0]


def test_examples_count_from_then_on(root):
    before, plain = standing(root), result_of(root).read_bytes()
    x_adv, image = examples(root)
    assert before[image].all()
    (outcome,) = challenge(root, RUN, sent(root, x_adv, image), [0], "cpu")
    after = standing(root)
    assert not after[image].any()
    assert (before & ~after).sum() == outcome.broken > 0
    assert np.array_equal(standing(root, seed=1), results.frame([result_of(root, 1)])["correct"].iloc[-1])
    assert result_of(root).read_bytes() == plain

    held = json.loads(outcome.file.read_text())
    assert held["challenge"]["by"] == "A. Reader <reader@example.org>"
    assert held["challenge"]["kind"] == "examples"
    assert held["challenge"]["sha256"] in held["files"].values()
    record = results.read(result_of(root))
    row = record["evaluations"][-1]
    assert row["attack"] == "challenge"
    assert row["max_perturbation"] <= EPS + 1e-5
    assert record["checks"][-1]["name"] == "challenge_finds_little"
    assert record["checks"][-1]["passed"] == (outcome.broken / 60 <= 0.02)
    assert "challenge_finds_little" in set(check_table.table([result_of(root)])["check"])
    from rich.console import Console

    console = Console(width=220, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(terminal.render(root, RUN))
    assert "challenge on best by A. Reader" in console.export_text()


def test_the_same_file_twice_counts_once(root):
    x_adv, image = examples(root)
    for _ in range(2):
        challenge(root, RUN, sent(root, x_adv, image), [0], "cpu")
    assert sum(e["attack"] == "challenge" for e in results.read(result_of(root))["evaluations"]) == 1


def test_images_may_be_named_by_themselves(root):
    x_adv, image = examples(root)
    (outcome,) = challenge(root, RUN, sent(root, x_adv, image, x=images(root)[0].numpy()[image]), [0], "cpu")
    assert outcome.images == len(image)


def test_a_whole_attack_on_every_seed(root):
    outcomes = challenge(root, RUN, Sent("a reader", attack=f"{root}/sent.py:strong"), [0, 1], "cpu")
    assert [o.run for o in outcomes] == [f"{RUN}/seed0", f"{RUN}/seed1"]
    held = json.loads(outcomes[0].file.read_text())
    assert held["challenge"]["function"] == "strong"
    assert {name.rpartition(".")[2] for name in held["files"]} == {"py", "npz"}
    points = np.load(next(outcomes[0].file.parent.glob("seed0-*.npz")))
    x = images(root)[0].numpy() / 255
    assert np.abs(points["x_adv"] - x[points["image"]]).max() <= EPS + 1e-5
    (outcome,) = challenge(root, RUN, Sent("a reader", attack=f"{root}/sent.py:points"), [0], "cpu")
    assert outcome.images == 60


def no_file_written(root):
    return not list(root.rglob("challenges"))


def test_what_leaves_the_ball_is_refused_by_its_images(root):
    x_adv, image = examples(root)
    x_adv[1] = images(root)[0].numpy()[image[1]]
    x_adv[1, 0, 0, 0] = 255 - x_adv[1, 0, 0, 0]
    x_adv[1, 0, 4, 4] = 0 if x_adv[1, 0, 4, 4] > 127 else 255
    with pytest.raises(
        RedoubtError, match=rf"1 of {len(image)} examples leave .*[\s\S]*images {image[1]} \("
    ):
        challenge(root, RUN, sent(root, x_adv, image), [0], "cpu")
    assert no_file_written(root)
    with pytest.raises(RedoubtError, match=r"images 2 \("):
        challenge(root, RUN, Sent("a reader", attack=f"{root}/sent.py:leaves"), [0], "cpu")
    assert no_file_written(root)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda x, i: {"x_adv": x[:, :, :4], "sha256": i}, "the shape of the test images"),
        (lambda x, i: {"x_adv": x.astype(int), "sha256": i}, "uint8, or floating point"),
        (lambda x, i: {"x_adv": x.astype(np.float32), "sha256": i}, "leave what they may change"),
        (lambda x, i: {"x_adv": np.full(x.shape, np.nan), "sha256": i}, "leave what they may change"),
        (lambda x, i: {"adv": x, "sha256": i}, "has no x_adv"),
        (lambda x, i: {"x_adv": x}, "nothing says which test image"),
        (lambda x, i: {"x_adv": x, "sha256": i[:-1]}, "one name an example"),
        (lambda x, i: {"x_adv": x, "sha256": np.array(["0" * 64, *i[1:]])}, "of no test image"),
        (lambda x, i: {"x_adv": x[[0, 0]], "sha256": i[[0, 0]]}, "challenged by one example"),
        (lambda x, i: {"x_adv": x, "sha256": i, "image": i}, "by its place"),
    ],
    ids=[
        "shape",
        "integers",
        "scale",
        "nan",
        "no points",
        "no names",
        "fewer names",
        "other images",
        "twice",
        "place",
    ],
)
def test_what_is_not_in_order_is_refused(root, change, why):
    x_adv, image = examples(root, steps=5)
    path = root / "bad.npz"
    np.savez(path, **change(x_adv, np.array(hashes(images(root)[0].numpy()[image]))))
    with pytest.raises(RedoubtError, match=why):
        challenge(root, RUN, Sent("a reader", path), [0], "cpu")
    assert no_file_written(root)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"by": " ", "attack": "sent.py:strong"}, "who it is by"),
        ({"by": "a reader"}, "examples or an attack"),
        ({"by": "a reader", "attack": "sent.py:strong", "examples": "adv.npz"}, "examples or an attack"),
    ],
)
def test_a_challenge_says_what_and_who(arguments, why):
    with pytest.raises(RedoubtError, match=why):
        Sent(**arguments)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "raised RuntimeError: no idea"),
        ("nothing", "returns its points"),
        ("stron", "did you mean: strong"),
    ],
)
def test_an_attack_that_is_none(root, name, why):
    with pytest.raises(RedoubtError, match=why):
        challenge(root, RUN, Sent("a reader", attack=f"{root}/sent.py:{name}"), [0], "cpu")


def test_other_weights_than_the_record_s_are_refused(root):
    record = json.loads(result_of(root).read_text())
    record["checkpoints"]["best"]["sha256"] = "0" * 64
    write_record(result_of(root), record)
    with pytest.raises(RedoubtError, match="other weights"):
        challenge(root, RUN, sent(root, *examples(root)), [0], "cpu")


def states(root):
    return {f.file.rpartition(".")[2]: (f.state, f.why) for f in verify(root) if f.kind == "challenges"}


def test_what_is_changed_is_found(root):
    (outcome,) = challenge(root, RUN, sent(root, *examples(root)), [0], "cpu")
    assert states(root) == {"json": ("good", "")}
    whole = outcome.file.read_bytes()

    beside = outcome.file.with_suffix(".npz")
    held = bytearray(beside.read_bytes())
    held[-30] ^= 1
    beside.write_bytes(held)
    assert states(root)["npz"][0] == "bad"
    with pytest.raises(RedoubtError, match="not the one that its challenge rests on"):
        results.read(result_of(root))
    held[-30] ^= 1
    beside.write_bytes(held)

    outcome.file.write_bytes(whole.replace(b"A. Reader", b"B. Reader"))
    assert states(root)["json"][0] == "bad"
    with pytest.raises(RedoubtError, match="changed since"):
        results.read(result_of(root))

    changed = json.loads(whole)
    changed["evaluations"][0]["correct_count"] += 1
    write_record(outcome.file, changed)
    assert "bits and its count" in states(root)["json"][1]

    outcome.file.write_bytes(whole)
    assert states(root) == {"json": ("good", "")}


def test_a_challenge_of_other_weights_counts_no_more(root):
    (outcome,) = challenge(root, RUN, sent(root, *examples(root)), [0], "cpu")
    held = json.loads(outcome.file.read_text())
    write_record(outcome.file, {**held, "weights": "0" * 64})
    assert states(root)["json"] == ("stale", "of other weights than the record's")
    assert all(e["attack"] != "challenge" for e in results.read(result_of(root))["evaluations"])


def test_one_that_was_moved_is_found(root):
    (outcome,) = challenge(root, RUN, sent(root, *examples(root)), [0], "cpu")
    for path in (outcome.file, outcome.file.with_suffix(".npz")):
        path.rename(path.with_name(path.name.replace("seed0", "seed1")))
    held = json.loads(outcome.file.with_name(outcome.file.name.replace("seed0", "seed1")).read_text())
    names = {k.replace("seed0", "seed1"): v for k, v in held["files"].items()}
    write_record(
        outcome.file.with_name(outcome.file.name.replace("seed0", "seed1")), {**held, "files": names}
    )
    assert "lies beside another run" in states(root)["json"][1]


def test_what_the_judge_wrote_can_be_sent(root):
    """`examples.npz` of `redoubt judge --adversarial` is a challenge as it is."""
    import redoubt
    from redoubt.evaluation import probes
    from redoubt.judging import suites

    x, y = images(root)
    model = Checkpoints(root, run_of(root)).deployed()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(probes, "probe", lambda *_, **__: [])
        patched.setitem(suites.PARTS["screen"], "screen", ("screen", {"steps": 20, "targets": 2}))
        redoubt.judge(model, x, y, eps=EPS, suite="screen", out=root / "out", adversarial=True)
    (outcome,) = challenge(root, RUN, Sent("the judge", root / "out" / "examples.npz"), [0], "cpu")
    assert outcome.images == len(np.load(root / "out" / "examples.npz")["image"]) > 0
    assert challenges.files(result_of(root)) == [outcome.file]

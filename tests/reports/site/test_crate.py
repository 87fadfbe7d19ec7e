"""The RO-Crate: read back by the library, every file of the site in it, with the hash that the file has."""

from rocrate.rocrate import ROCrate

from redoubt.records.files import sha256


def test_it_describes_every_file_that_comes_with_the_site(reports):
    read = ROCrate(reports)
    described = {e.id: e for e in read.data_entities}
    there = {p.relative_to(reports).as_posix() for p in reports.rglob("*") if p.is_file()}
    assert set(described) == there - {"ro-crate-metadata.json", "README.md", "evidence/toy.md"}
    for name, entity in described.items():
        assert entity["sha256"] == sha256(reports / name)
        assert entity["encodingFormat"] != "application/octet-stream", name


def test_it_says_what_made_what_when_and_under_which_license(reports):
    read = ROCrate(reports)
    assert read.root_dataset["datePublished"] == "2026-01-02T03:04:05Z"
    assert read.root_dataset["license"].id == "https://spdx.org/licenses/Apache-2.0"
    assert read.mainEntity.id == "index.html"
    assert "https://arxiv.org/abs/2401.14948" in {p.id for p in read.root_dataset["citation"]}
    action = read.get("#report")
    assert action["instrument"].id == "#redoubt"
    assert "site/records/results/toy/cure/main/seed1.json" in {e.id for e in action["object"]}
    assert "tables/main.csv" in {e.id for e in action["result"]}

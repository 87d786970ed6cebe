"""The whole way once, as a user goes it, on the real SqueezeNet: typed, and held against Caffe."""

import json

import numpy as np

NAME = "squeezenet_v1.0"


def test_from_a_readme_to_recognised_photographs(run_zoo, shared, tmp_path):
    source = ("--source", shared / "models")
    assert NAME in run_zoo("list", *source, "--quiet").out.splitlines()
    info = run_zoo("info", NAME, *source, "--json").json
    assert (info["params"], info["cached"]) == (1248424, False)

    fetched = run_zoo("fetch", NAME, *source)
    assert fetched.code == 0
    assert "verified sha1:24c286ecbb82d1735fefa997d90c3538c63f0b6d" in fetched.err
    assert run_zoo("verify", NAME).code == 0

    # The cache is enough from here on.
    predictions = shared / "golden" / "squeezenet" / "predictions.tsv"
    rows = [line.split("\t") for line in predictions.read_text().splitlines()[1:]]
    top5 = {name: [int(index) for index in indices] for name, _, *indices in rows}
    photographs = sorted((shared / "images").glob("n0[12]*.JPEG"))[:6]
    done = run_zoo("classify", NAME, *photographs, "--batch", "4", "--json")
    assert done.code == 0
    for entry, path in zip(done.json, photographs, strict=True):
        assert [each["index"] for each in entry["predictions"]] == top5[path.name], path.name

    given = np.load(shared / "golden" / "squeezenet" / "cat.npz")
    np.savez(tmp_path / "in.npz", data=given["data"])
    blobs = ("--blob", "fire9/concat", "--blob", "pool_final")
    ran = run_zoo("run", NAME, "--input", tmp_path / "in.npz", *blobs, "-o", tmp_path / "out.npz")
    assert ran.code == 0
    with np.load(tmp_path / "out.npz") as out:
        assert out.files == ["fire9/concat", "pool_final"]
        expected = given["blob:pool_final"]
        assert np.abs(out["pool_final"] - expected).max() <= 1e-4 * np.abs(expected).max()


def test_ten_crops_give_the_top_5_of_caffes_own_classifier(run_zoo, shared):
    meta = json.loads((shared / "golden" / "classify" / "meta.json").read_text())
    images = ["cat.jpg", "fish-bike.jpg"]
    paths = [shared / "images" / image for image in images]
    done = run_zoo(
        "classify", NAME, *paths, "--crops", "10", "--source", shared / "models", "--json"
    )
    for entry, image in zip(done.json, images, strict=True):
        received = [each["index"] for each in entry["predictions"]]
        assert received == meta["cases"][image]["plain"]["top5_ten_crop"]


def test_a_published_network_is_described_as_caffe_has_it(run_zoo, shared):
    network = "BVLC+caffe/models/bvlc_googlenet/deploy"
    expected = json.loads((shared / "golden" / "shapes" / f"{network}.json").read_text())
    expected = expected["phases"]["TEST"]
    facts = run_zoo("inspect", "--net", shared / "prototxt" / f"{network}.prototxt", "--json").json
    assert facts["blobs"] == expected["blobs"]
    assert facts["param_count"] == expected["param_count"]
    assert facts["unsupported"] == []

"""FeatureExtractor behaves as scikit-learn's own transformers do."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from transfer_data import write_pictures, write_small_model

import zoo
from zoo.errors import ImageError, UsageError
from zoo.transfer.data import open_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("extractor")
    write_small_model(top / "small")
    write_pictures(top / "photos", {"blue": 6, "green": 6})
    return top


def test_rows_are_those_of_extract_features(folder):
    data = open_data(folder / "photos")
    blobs = ["conv1", "mod/concat"]
    features = zoo.extract_features(folder / "small", data, blobs, "max").arrays
    extractor = zoo.FeatureExtractor(folder / "small", blobs, "max", batch_size=5)
    received = extractor.fit_transform(data.files)
    expected = np.concatenate([features[blob] for blob in blobs], axis=1)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)
    assert extractor.get_feature_names_out().tolist()[3:5] == ["conv1_3", "mod/concat_0"]


def test_it_works_in_a_pipeline_and_in_cross_validation(folder):
    data = open_data(folder / "photos")
    pipeline = make_pipeline(zoo.FeatureExtractor(folder / "small", "conv1"), LogisticRegression())
    scores = cross_val_score(pipeline, data.files, data.labels, cv=3)
    assert len(scores) == 3
    pipeline.set_params(featureextractor__blobs="mod/concat", featureextractor__pool="none")
    assert pipeline.fit(data.files, data.labels)[0].transform(data.files[:2]).shape == (2, 600)


@pytest.mark.parametrize("by_name", [True, False])
def test_clones_and_pickles_give_the_same_rows(folder, by_name):
    model = folder / "small" if by_name else zoo.load(folder / "small")
    files = open_data(folder / "photos").files[:3]
    extractor = zoo.FeatureExtractor(model, "conv1").fit()
    expected = extractor.transform(files)
    for other in (clone(extractor), pickle.loads(pickle.dumps(extractor))):
        np.testing.assert_array_equal(other.transform(files), expected)
    assert extractor.get_params()["blobs"] == "conv1"
    if by_name:
        assert len(pickle.dumps(extractor)) < 1000


def test_what_is_wrong_is_said(folder, tmp_path):
    with pytest.raises(UsageError, match="Did you mean"):
        zoo.FeatureExtractor(folder / "small", "conv2").fit()
    (tmp_path / "broken.png").write_bytes(b"no")
    with pytest.raises(ImageError, match=r"broken\.png"):
        zoo.FeatureExtractor(folder / "small", "conv1").transform([tmp_path / "broken.png"])

"""Links that people share, and what gives the file."""

import pytest

from zoo.registry.storage.share_links import downloadable, is_share_link, only_for_people


@pytest.mark.parametrize(
    ("shared", "gives"),
    [
        (
            "https://www.dropbox.com/s/abc/x.caffemodel",
            "https://www.dropbox.com/s/abc/x.caffemodel?dl=1",
        ),
        (
            "https://www.dropbox.com/scl/fi/a/x.caffemodel?rlkey=k&dl=0",
            "https://www.dropbox.com/scl/fi/a/x.caffemodel?rlkey=k&dl=1",
        ),
        ("https://www.dropbox.com/s/a/x?raw=1", "https://www.dropbox.com/s/a/x?dl=1"),
        (
            "https://drive.google.com/open?id=0B_-x",
            "https://drive.google.com/uc?export=download&confirm=t&id=0B_-x",
        ),
        (
            "https://drive.google.com/file/d/1a_-B/view?usp=sharing",
            "https://drive.google.com/uc?export=download&confirm=t&id=1a_-B",
        ),
        (
            "https://docs.google.com/uc?id=1a&export=download&resourcekey=0-k",
            "https://drive.google.com/uc?export=download&confirm=t&id=1a&resourcekey=0-k",
        ),
        (
            "https://github.com/me/nets/blob/main/a/x.caffemodel",
            "https://github.com/me/nets/raw/main/a/x.caffemodel",
        ),
        (
            "https://github.com/me/nets/blob/main/x.caffemodel?raw=true",
            "https://github.com/me/nets/raw/main/x.caffemodel",
        ),
        (
            "https://gitlab.com/me/nets/-/blob/main/x.caffemodel",
            "https://gitlab.com/me/nets/-/raw/main/x.caffemodel",
        ),
        (
            "https://huggingface.co/me/net/blob/main/x.caffemodel",
            "https://huggingface.co/me/net/resolve/main/x.caffemodel",
        ),
        (
            "https://onedrive.live.com/redir?resid=1%212&authkey=k",
            "https://onedrive.live.com/download?resid=1%212&authkey=k",
        ),
        (
            "https://1drv.ms/u/s!AbC",
            "https://api.onedrive.com/v1.0/shares/u!aHR0cHM6Ly8xZHJ2Lm1zL3UvcyFBYkM/root/content",
        ),
        ("https://x.sharepoint.com/:u:/g/a?e=1", "https://x.sharepoint.com/:u:/g/a?e=1&download=1"),
        ("https://nvidia.box.com/s/abc", "https://nvidia.box.com/shared/static/abc"),
    ],
)
def test_a_share_link_becomes_the_address_of_the_file(shared, gives):
    assert downloadable(shared) == gives


@pytest.mark.parametrize(
    "url",
    [
        "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        "https://github.com/yahoo/open_nsfw/raw/master/nsfw_model/resnet_50_1by2_nsfw.caffemodel",
        "https://github.com/o/r/releases/download/v0.1/x.caffemodel",
        "https://nvidia.box.com/shared/static/5j264j7m.caffemodel",
        "https://dropbox.com.evil.example/s/abc/x",
        "https://notdropbox.com/s/abc/x",
        "s3://drive.google.com/open?id=1",
        "http://[bad",
    ],
)
def test_other_addresses_stay_as_they_are(url):
    assert downloadable(url) == url
    assert only_for_people(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://drive.google.com/folderview?id=0B0IedYUunOQ&usp=drive_web",
        "https://drive.google.com/drive/folders/0B0IedYUunOQ",
        "https://mega.nz/#!9JMBlCaS!zsTl7eZ",
        "https://pan.baidu.com/s/1qYoPdak",
        "https://yadi.sk/d/Ed2DEtG73HJ6dZ",
        "https://github.com/Coderx7/SimpleNet",
        "https://github.com/yihui-he/channel-pruning/releases/tag/VGG-16_3C4x",
    ],
)
def test_pages_that_never_give_a_file_are_known(url):
    assert only_for_people(url)


def test_places_where_single_files_are_shared_are_known():
    assert is_share_link("https://1drv.ms/u/s!AbC")
    assert not is_share_link("https://host/dropbox.com/x")

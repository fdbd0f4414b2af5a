"""The registered sets of labelled images: what they are called, where they lie, their checksums; and all terms."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ecrnn.core.events import Progress, silent
from ecrnn.data.cifar import CifarSource
from ecrnn.data.digits import DigitsSource
from ecrnn.data.downloads import RemoteFile
from ecrnn.data.image_file import resize_images
from ecrnn.data.image_set import ImageSet, RawImages, make_image_set
from ecrnn.data.mnist import IdxSource


class Source(Protocol):
    """A registered data set; `IdxSource`, `CifarSource` and `DigitsSource` are of this kind."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) that models see where none is asked for; None: the images' own."""

    def load(self, data_dir: Path | None, cache: Path, progress: Progress = silent) -> RawImages: ...


def load_source(
    name: str,
    data_dir: Path | None,
    size: tuple[int, int] | None,
    channels: int | None,
    *,
    cache: Path,
    progress: Progress = silent,
) -> ImageSet:
    """The registered data set ``name``; the arguments are those of `images.load`.

    Raises:
        DataError: as the source says.
    """
    source = SOURCES[name]
    raw = source.load(None if data_dir is None else Path(data_dir), cache, progress)
    _, raw_height, raw_width, raw_channels = raw.images.shape
    height, width = size or source.size or (raw_height, raw_width)
    images = resize_images(raw.images, (channels or raw_channels, height, width))
    return make_image_set(name, images, raw.labels, raw.classes, n_train=raw.n_train)


def _mirrored(bases: tuple[str, ...], rows: list[tuple[str, str, int, str]]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(n, md5, size, tuple(b + n for b in bases), bare) for n, md5, size, bare in rows)


def _batch(name: str, md5: str) -> RemoteFile:
    return RemoteFile(name, md5, 0)


_MNIST_FILES = _mirrored(
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    [
        (
            "train-images-idx3-ubyte.gz",
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            9912422,
            "6bbc9ace898e44ae57da46a324031adb",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            "d53e105ee54ea40749a09fcbcd1e9432",
            28881,
            "a25bea736e30d166cdddb491f175f624",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            "9fb629c4189551a2d022fa330f9573f3",
            1648877,
            "2646ac647ad5339dbf082846283269ea",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            "ec29112dd5afa0611ce80d1b7f02629c",
            4542,
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ],
)

_FASHION_FILES = _mirrored(
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    [
        (
            "train-images-idx3-ubyte.gz",
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            26421880,
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        ),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29515, "9018921c3c673c538a1fc5bad174d6f9"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4422102, "8181f5470baa50b63fa0f6fddb340f0a"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5148, "15d484375f8d13e6eb1aabb0c3f46965"),
    ],
)


def _called(data: str, files: tuple[RemoteFile, ...]) -> dict[str, str]:
    """What files are called in an error, by each of their checksums."""
    return {md5: f"{file.name} of {data}" for file in files for md5 in (file.md5, file.unpacked_md5) if md5}


_MNIST = IdxSource(
    name="mnist",
    folders=("mnist", "MNIST", "MNIST/raw", "mnist/raw"),
    files=_MNIST_FILES,
    classes=tuple("0123456789"),
    others=_called("fashion-mnist", _FASHION_FILES),
)

_FASHION = IdxSource(
    name="fashion-mnist",
    folders=("fashion-mnist", "fashion_mnist", "FashionMNIST", "FashionMNIST/raw"),
    files=_FASHION_FILES,
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    others=_called("mnist", _MNIST_FILES),
)

_CIFAR10 = CifarSource(
    name="cifar10",
    folder="cifar-10-batches-py",
    archive=RemoteFile(
        "cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
        170498071,
        ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    ),
    train=(
        _batch("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        _batch("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        _batch("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        _batch("data_batch_4", "634d18415352ddfa80567beed471001a"),
        _batch("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ),
    test=(_batch("test_batch", "40351d587109b95175f43aff81a1287e"),),
    meta=_batch("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
    labels_key="labels",
    names_key="label_names",
)

_CIFAR100 = CifarSource(
    name="cifar100",
    folder="cifar-100-python",
    archive=RemoteFile(
        "cifar-100-python.tar.gz",
        "eb9058c3a382ffc7106e4002c42a8d85",
        169001437,
        ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
    ),
    train=(_batch("train", "16019d7e3df5f24257cddd939b257f8d"),),
    test=(_batch("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
    meta=_batch("meta", "7973b15100ade9c7d40fb424638fde48"),
    labels_key="fine_labels",
    names_key="fine_label_names",
)

SOURCES: dict[str, Source] = {s.name: s for s in (DigitsSource(), _MNIST, _FASHION, _CIFAR10, _CIFAR100)}

_TINY_IMAGES = (
    "(Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009) is published without a licence. Its "
    "images were collected from the web; the collection they were taken from, 80 Million Tiny Images, was withdrawn "
    "by its authors in 2020."
)
TERMS: dict[str, str] = {  # of every task: whose a data set is and under which terms it is published, a sentence or two
    "digits": "digits (Alpaydin and Kaynak, UCI Machine Learning Repository, 1998) is licensed under CC BY 4.0.",
    "mnist": "MNIST (LeCun, Cortes and Burges, from NIST's databases) is licensed under CC BY-SA 3.0.",
    "fashion-mnist": "Fashion-MNIST (Xiao, Rasul and Vollgraf, Zalando, 2017) is under the MIT licence.",
    "cifar10": f"CIFAR-10 {_TINY_IMAGES}",
    "cifar100": f"CIFAR-100 {_TINY_IMAGES}",
    "tiny-shakespeare": (
        "Tiny Shakespeare (Karpathy, char-rnn, 2015): the text of Shakespeare's plays is in the public domain."
    ),
    "rt-polarity": (
        "The sentence polarity data set v1.0 (Pang and Lee, Seeing Stars, 2005) is published for research, without a "
        "licence. Its sentences are from film reviews on rottentomatoes.com and belong to their authors."
    ),
    "multi30k-en-fr": (
        "Multi30K (Elliott, Frank, Sima'an and Specia, 2016; French by Elliott et al., 2017) is for research and not "
        "for commercial use. Its sentences describe the photographs of Flickr30K, whose terms hold for them."
    ),
    "captcha": (
        "The captcha data set (Wilhelmy and Rosas, captcha dataset, 2013, ResearchGate) is published without a licence."
    ),
    "flickr8k": (
        "Flickr8k (Hodosh, Young and Hockenmaier, Framing Image Description as a Ranking Task, 2013) is for research "
        "and not for commercial use. Its photographs belong to their authors and must not be passed on."
    ),
    "moving": "moving is made by ecrnn itself and may be used freely.",
}

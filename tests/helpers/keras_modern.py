"""The modern networks, and our own, written in Keras as in `keras_references`."""

import functools

import keras
from keras_references import BATCH_NORM, CONV, L, blocks, chain, classifier


def depthwise(size, **options):
    """A convolution with as many groups as channels."""
    return lambda x: CONV(x.shape[-1], size, groups=x.shape[-1], **options)(x)


SHORT = functools.partial(BATCH_NORM, epsilon=1e-12, momentum=0.6, scale=False)
modern = {
    "short": ("batch_norm", SHORT),
    "shorter": ("batch_norm", functools.partial(SHORT, momentum=0.5566)),
    "gelu": ("gelu", functools.partial(L.Activation, "gelu")),
    "silu": ("silu", functools.partial(L.Activation, "silu")),
    "norm": ("batch_norm", functools.partial(BATCH_NORM, epsilon=1e-5, momentum=0.9)),
    "deep": ("depthwise_conv", depthwise),
}
link = functools.partial(chain, more=modern)
plain = functools.partial(blocks, "conv {} same nobias > norm > relu")
own = functools.partial(blocks, "conv {} 3 same > bn > relu")
biased = functools.partial(blocks, "conv {} same > norm > relu")
separable = functools.partial(blocks, "deep 3 same nobias > conv {} 1 nobias > norm")
END = " > global > dense 10 name=logits"


def add(x, name, main, shortcut="", after="relu"):
    """Two texts on x, added up."""
    ends = [link(x, main, f"{name}__main__")]
    ends.append(link(x, shortcut, f"{name}__shortcut__") if shortcut else x)
    x = L.Add()(ends)
    return L.ReLU()(x) if after else x


def resnet(images, numbers):
    """https://arxiv.org/abs/1512.03385, stem 3x3."""
    x = link(images, plain("block 64 3"))
    for stage, number in enumerate(numbers):
        width = 64 * 2**stage
        for letter in "abcdef"[:number]:
            halves = stage and letter == "a"
            text = f"block {width} 3 stride={2 if halves else 1}"
            shortcut = f"conv {width} 1 stride=2 same nobias > norm" if halves else ""
            main = plain(text) + f" > conv {width} 3 same nobias > norm"
            x = add(x, f"stage{stage + 1}{letter}", main, shortcut)
    return link(x, END[3:])


def wide_resnet(images, number, width):
    """https://arxiv.org/abs/1605.07146."""
    x = link(images, "conv 16 3 same nobias")
    for stage in (1, 2, 3):
        conv = f"conv {8 * 2**stage * width} 3 same nobias"
        stride = f" stride={2 if stage > 1 else 1}"
        x = link(x, f"norm name=batch_norm{stage} > relu")
        shortcut = conv.replace(" 3 ", " 1 ") + stride
        main = f"{conv}{stride} > norm > relu > {conv}"
        x = add(x, f"stage{stage}a", main, shortcut, after="")
        for letter in "bcdef"[: number - 1]:
            main = f"norm > relu > {conv} > norm > relu > {conv}"
            x = add(x, f"stage{stage}{letter}", main, after="")
    return link(x, "norm name=batch_norm4 > relu" + END)


def densenet(images, number):
    """https://arxiv.org/abs/1608.06993, growth rate 12."""
    x = link(images, "conv 24 3 same nobias")
    text = "norm > relu > conv 48 1 nobias > norm > relu > conv 12 3 same nobias"
    for block in (1, 2, 3):
        for i in range(1, number + 1):
            new = link(x, text, f"block{block}_{i}__branch2__")
            x = L.Concatenate()([x, new])
        x = link(x, f"norm name=batch_norm{block} > relu")
        if block < 3:
            x = link(x, f"conv {x.shape[-1] // 2} 1 nobias name=conv{block + 1} > avg 2")
    return link(x, END[3:])


def xception(images):
    """https://arxiv.org/abs/1610.02357, small."""
    x = link(images, plain("block 64 3"))

    def halve(x, name, width):
        main = separable(f"relu > block {width} > relu > block {width}")
        shortcut = f"conv {width} 1 stride=2 same nobias > norm"
        return add(x, name, main + " > max 3 stride=2 same", shortcut, after="")

    x = halve(halve(x, "entry1", 128), "entry2", 256)
    for i in (1, 2, 3, 4):
        main = separable("relu > block 256 > relu > block 256 > relu > block 256")
        x = add(x, f"middle{i}", main, after="")
    text = "deep 3 same nobias > conv 512 1 nobias name=conv2 > norm name=batch_norm2 > relu"
    return link(halve(x, "exit", 512), text + END)


def vgg(images, numbers):
    """https://arxiv.org/abs/1409.1556, with BatchNorm and one dense layer."""
    widths = zip((64, 128, 256, 512, 512), numbers, strict=True)
    stages = [" > ".join([f"block {width} 3"] * number + ["max 2"]) for width, number in widths]
    return link(images, biased(" > ".join(stages)) + END)


def googlenet(images):
    """https://arxiv.org/abs/1409.4842, stem 3x3, BatchNorm, twice 3x3 for 5x5."""
    x = link(images, biased("block 192 3"))
    for name, f1, f2_in, f2, f3_in, f3, f4 in (
        ("3a", 64, 96, 128, 16, 32, 32),
        ("3b", 128, 128, 192, 32, 96, 64),
        ("4a", 192, 96, 208, 16, 48, 64),
        ("4b", 160, 112, 224, 24, 64, 64),
        ("4c", 128, 128, 256, 24, 64, 64),
        ("4d", 112, 144, 288, 32, 64, 64),
        ("4e", 256, 160, 320, 32, 128, 128),
        ("5a", 256, 160, 320, 32, 128, 128),
        ("5b", 384, 192, 384, 48, 128, 128),
    ):
        if name in ("4a", "5a"):
            x = link(x, "max 3 stride=2 same")
        texts = (
            f"block {f1} 1",
            f"block {f2_in} 1 > block {f2} 3",
            f"block {f3_in} 1 > block {f3} 3 > block {f3} 3",
            f"max 3 stride=1 same > block {f4} 1",
        )
        where = f"inception_{name}__branch"
        branches = [link(x, biased(text), f"{where}{i}__") for i, text in enumerate(texts, 1)]
        x = L.Concatenate()(branches)
    return link(x, END[3:])


def compact(images, num_classes=10):
    """Our own, below 300,000 parameters."""
    x = link(images, own("block 32 > block 32 > max 2 > block 64"))
    x = add(x, "residual1", own("block 64 > conv 64 3 same > bn"))
    x = link(x, "max 2 > conv 88 3 same name=conv4 > bn name=batch_norm4 > relu")
    x = add(x, "residual2", own("block 88 > conv 88 3 same > bn"))
    return link(x, f"global > dense {num_classes} name=logits")


def mnist_compact(images):
    """Our own, below 10,000 parameters."""
    x = link(images, "conv 12 3 > bn > relu > max 2 > conv 16 3 > bn > relu")
    x = add(x, "residual1", own("block 16 > conv 16 3 same > bn"))
    return link(x, "max 2 > conv 16 3 name=conv3 > bn name=batch_norm3 > relu" + END)


def airbench(images, end="short > gelu"):
    """https://github.com/KellerJordan/cifar10-airbench, `airbench94_muon.py`."""
    whiten = CONV(24, 2, name="whiten")
    x = whiten(images)
    whiten.kernel.trainable = False
    conv = "conv {0} 3 same nobias"
    group = f"{conv} > max 2 > {end} > {conv} > {end}"
    groups = " > ".join(group.format(width) for width in (64, 256, 256))
    x = link(x, f"gelu > {groups} > max 3 > flatten > dense 10 nobias name=logits")
    return L.Rescaling(1 / 256)(x)


FUNCTIONS = {
    "airbench": airbench,
    "airbench2025": functools.partial(airbench, end="shorter > silu"),
    "compact_cnn": compact,
    "compact_cnn_ferplus": functools.partial(compact, num_classes=8),
    "mnist_compact": mnist_compact,
    "resnet18": functools.partial(resnet, numbers=(2, 2, 2, 2)),
    "resnet34": functools.partial(resnet, numbers=(3, 4, 6, 3)),
    "wide_resnet16_4": functools.partial(wide_resnet, number=2, width=4),
    "wide_resnet28_10": functools.partial(wide_resnet, number=4, width=10),
    "densenet40_bc": functools.partial(densenet, number=6),
    "densenet100_bc": functools.partial(densenet, number=16),
    "xception_small": xception,
    "vgg11": functools.partial(vgg, numbers=(1, 1, 2, 2, 2)),
    "vgg13": functools.partial(vgg, numbers=(2, 2, 2, 2, 2)),
    "vgg16": functools.partial(vgg, numbers=(2, 2, 3, 3, 3)),
    "vgg19": functools.partial(vgg, numbers=(2, 2, 4, 4, 4)),
    "googlenet_cifar": googlenet,
}


def reference(name):
    """The network of this name for the images it is made for."""
    shapes = {"compact_cnn_ferplus": (48, 48, 1), "mnist_compact": (28, 28, 1)}
    images = keras.Input(shapes.get(name, (32, 32, 3)))
    return classifier(images, main=FUNCTIONS[name](images))

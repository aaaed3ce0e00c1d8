"""The published networks written in Keras, from the publications' layer lists alone.

A network is a text of layers in the order of its list, such as "conv 16 3 same relu > bn > max 2":
convolutions are "valid" and pools have their window's size for stride unless told. Layers with
parameters are numbered by their kind; double underscores stand for the levels of a name.
"""

import collections
import functools
import re

import keras
import numpy as np

L = keras.layers


def zeros(shape, dtype=None):
    return np.zeros(shape)  # Keras's own would compile a program for each shape


def dropout(rate):
    """Dropout that is off: only its place and its published rate can be compared."""
    layer = L.Dropout(0.0)
    layer.published_rate = rate
    return layer


CONV = functools.partial(L.Conv2D, kernel_initializer=zeros, bias_initializer=zeros)
DENSE = functools.partial(L.Dense, kernel_initializer=zeros, bias_initializer=zeros)
START = ("beta", "gamma", "moving_mean", "moving_variance")
BATCH_NORM = functools.partial(
    L.BatchNormalization,
    epsilon=1e-3,
    momentum=0.99,
    **{f"{name}_initializer": zeros for name in START},
)
NAMED = {"conv": ("conv", CONV), "dense": ("dense", DENSE), "bn": ("batch_norm", BATCH_NORM)}
NAMELESS = {
    "max": L.MaxPooling2D,
    "avg": L.AveragePooling2D,
    "pad": L.ZeroPadding2D,
    "flatten": L.Flatten,
    "global": lambda: lambda x: L.Flatten()(L.AveragePooling2D(x.shape[1])(x)),
    "dropout": dropout,
    "relu": L.ReLU,
    "elu": L.ELU,
    "leaky": functools.partial(L.LeakyReLU, 0.01),
}


def arguments(words):
    """Words behind a layer's kind as Keras's positional and keyword arguments."""
    numbers, options = [], {}
    for word in words:
        key, _, value = word.partition("=")
        if word[0].isdigit():
            numbers.append(float(word) if "." in word else int(word))
        elif key == "stride":
            options["strides"] = int(value)
        elif key == "l2":
            options["kernel_regularizer"] = keras.regularizers.L2(float(value))
        elif key == "name":
            options["name"] = value
        elif key == "same":
            options["padding"] = key
        elif key == "nobias":
            options["use_bias"] = False
        else:
            options["activation"] = key
    return numbers, options


def chain(x, text, where="", more=None):
    """The layers of a text on x, one after another; `where` stands in front of their names.

    `more` are kinds of layers with parameters beside those of NAMED.
    """
    counts, named = collections.Counter(), NAMED | (more or {})
    for kind, *words in map(str.split, text.split(">")):
        numbers, options = arguments(words)
        if kind in named:
            stem, make = named[kind]
            if "name" not in options:
                counts[stem] += 1
                options["name"] = f"{stem}{counts[stem]}"
            options["name"] = where + options["name"]
        else:
            make = NAMELESS[kind]
        x = make(*numbers, **options)(x)
    return x


def classifier(images, **heads):
    """The model with the logits of its heads, and the published output: main + 0.3 of the others.

    These are probabilities; of several heads they do not sum to one.
    """
    probabilities = {name: L.Softmax()(logits) for name, logits in heads.items()}
    mixed = probabilities.pop("main")
    for other in probabilities.values():
        mixed = mixed + 0.3 * other
    return keras.Model(images, {**heads, "probabilities": mixed})


def blocks(pattern, text):
    """The text with every "block ARGUMENTS" written out by the pattern."""
    return re.sub(r"block ([^>]*[^>\s])", pattern.replace("{}", r"\1"), text)


mnist = functools.partial(blocks, "conv {} relu > bn > dropout 0.1")
elu_block = functools.partial(blocks, "conv {} 3 same elu l2=1e-4 > bn")
vgg_block = functools.partial(blocks, "conv {} 3 same relu l2=1e-4 > bn")
normalized = functools.partial(blocks, "conv {} same > bn > relu")
leaky = functools.partial(blocks, "conv {} same > bn > leaky")

TEXTS = {
    # Source: [usp], see docs/publications.md
    "usp_cnn": """conv 36 3 same relu > conv 36 2 same selu > dropout 0.2 > max 2
        > conv 48 2 same selu > conv 48 4 same relu > dropout 0.3 > max 2
        > conv 64 3 same relu > conv 64 3 same selu > dropout 0.3 > max 2 > flatten
        > dense 500 selu > dropout 0.8 > dense 300 relu > dropout 0.4 > dense 10 name=logits""",
    "usp_cnn_double_pool": """conv 36 3 same relu > conv 36 2 same selu > dropout 0.2 > max 2
        > conv 48 2 same selu > conv 48 4 same relu > dropout 0.3 > max 2 > max 2
        > conv 64 3 same relu > conv 64 3 same selu > dropout 0.3 > max 2 > flatten
        > dense 500 selu > dropout 0.8 > dense 300 relu > dropout 0.4 > dense 10 name=logits""",
    "usp_cnn_mixed_padding": """conv 36 3 same relu > conv 36 2 selu > dropout 0.2 > max 2
        > conv 48 2 same selu > conv 48 4 relu > dropout 0.3 > max 2
        > conv 64 3 same relu > conv 64 3 selu > dropout 0.3 > max 2 > flatten
        > dense 500 selu > dropout 0.8 > dense 300 relu > dropout 0.4 > dense 10 name=logits""",
    # Source: [mnist], see docs/publications.md
    "mnist_vanilla": """conv 16 3 relu > conv 32 3 relu > conv 10 1 relu > max 2 > conv 16 3 relu
        > conv 32 3 relu > conv 32 3 relu > conv 64 3 relu > conv 10 4 > flatten""",
    "mnist_small": """conv 8 3 relu > conv 16 3 relu > conv 10 1 relu > max 2 > conv 8 3 relu
        > conv 16 3 relu > conv 16 3 relu > conv 16 3 relu > conv 10 4 > flatten""",
    "mnist_bn_dropout": mnist("""block 12 3 > block 20 3 > conv 10 1 relu > max 2
        > block 16 3 > block 16 3 > block 16 3 > block 16 3 > conv 10 4 > flatten"""),
    "mnist_deep_20k": mnist("""block 8 3 > block 16 3 > block 32 3 > conv 10 1 relu > max 2
        > block 16 3 > block 32 3 > block 10 1 > block 20 3 > conv 10 5 > flatten"""),
    "mnist_deep_12k": mnist("""block 10 3 > block 16 3 > conv 10 1 relu > block 20 3 > max 2
        > block 10 3 > block 16 3 > block 10 1 > block 16 3 > block 16 3 > conv 10 3 > flatten"""),
    "mnist_stem64_16k": mnist("""block 64 3 > conv 10 1 relu > block 16 3 > block 16 3 > max 2
        > block 16 3 > block 16 3 > block 10 1 > block 16 3 > conv 10 5 > flatten"""),
    "mnist_small_bn": mnist("""block 8 3 > block 16 3 > conv 10 1 relu > max 2
        > block 8 3 > block 16 3 > block 16 3 > block 16 3 > conv 10 4 > flatten"""),
    # Source: [homework], see docs/publications.md
    "alexnet_bn": normalized("""block 96 11 > max 2 > block 256 5 > max 2 > block 384 3 > max 2
        > block 384 3 > block 256 3 > max 2 > flatten > dense 4096 > bn > relu > dropout 0.5
        > dense 4096 > bn > relu > dropout 0.5 > dense 10 > bn name=logits"""),
    "simpler_cnn": elu_block("""block 32 > block 32 > max 2 > dropout 0.2
        > block 64 > block 64 > max 2 > dropout 0.3
        > block 128 > block 128 > max 2 > dropout 0.4 > flatten > dense 10 name=logits"""),
    "simpler_cnn_ferplus": elu_block("""block 32 > block 32 > max 2 > dropout 0.2
        > block 64 > block 64 > max 2 > dropout 0.3
        > block 128 > block 128 > max 2 > dropout 0.4 > flatten > dense 8 name=logits"""),
    "ownnet_v1": normalized("""block 30 8 > max 2 > block 60 8 > max 2 > block 128 4 > max 2
        > block 128 3 > max 2 > block 128 3 > block 256 3 > max 2 > block 64 2 > flatten
        > dense 1024 > bn > relu > dropout 0.5 > dense 512 > bn > relu > dropout 0.5
        > dense 10 > bn name=logits"""),
    "ownnet_v2": leaky("""conv 100 10 stride=2 > bn > leaky > block 80 8 > max 2
        > block 256 6 > max 2 > block 128 5 > max 2 > block 128 4 > block 64 3 > block 64 2
        > flatten > dense 512 > bn > leaky > dropout 0.5 > dense 256 > bn > leaky > dropout 0.5
        > dense 10 > bn name=logits"""),
    "ownnet_v3": leaky("""block 100 3 > block 80 5 > max 2 > conv 128 6 same > bn > elu > max 2
        > block 96 5 > max 2 > block 64 4 > conv 58 3 same > bn > elu > block 42 2 > flatten
        > dense 256 > bn > leaky > dropout 0.5 > dense 128 > bn > elu > dropout 0.5
        > dense 10 > bn name=logits"""),
    # Source: [sgd], see docs/publications.md
    "mlp_base": "flatten > dense 512 relu > dense 512 relu > dense 256 relu > dense 10 name=logits",
    "mlp_model1": """flatten > dense 512 relu > dense 512 relu > dense 512 relu
        > dense 10 name=logits""",
    "mlp_model2": """flatten > dense 256 relu > dense 256 relu > dense 256 relu
        > dense 10 name=logits""",
    "lenet5_base": """conv 16 3 relu > max 2 > conv 32 3 relu > max 2 > flatten
        > dense 512 relu > dense 256 relu > dense 10 name=logits""",
    "lenet5_model1": """conv 32 3 relu > max 2 > conv 64 3 relu > max 2 > flatten
        > dense 512 relu > dense 256 relu > dense 10 name=logits""",
    "lenet5_model2": """conv 64 3 relu > max 2 > conv 128 3 relu > max 2 > flatten
        > dense 512 relu > dense 256 relu > dense 10 name=logits""",
    "lenet5_model3": """conv 64 3 relu > max 2 > conv 128 3 relu > max 2 > flatten
        > dense 512 relu > dense 512 relu > dense 10 name=logits""",
    # Source: [classic], see docs/publications.md
    "lenet": """conv 6 5 relu > avg 2 > conv 16 5 relu > avg 2 > flatten > dense 120 relu
        > dense 84 relu > dense 10 name=logits""",
    "alexnet": """conv 96 3 stride=4 relu > bn > max 2 > conv 256 5 same relu > bn > max 2
        > conv 384 3 same relu > conv 384 3 same relu > conv 256 3 same relu > max 2 > flatten
        > dense 4096 relu > dropout 0.4 > dense 4096 relu > dropout 0.4 > dense 10 name=logits""",
    "vgg16_bn": vgg_block("""block 64 > block 64 > max 2 > block 128 > block 128 > max 2
        > block 256 > block 256 > block 256 > max 2 > block 512 > block 512 > block 512 > max 2
        > block 512 > block 512 > block 512 > max 2 > flatten
        > dense 4096 relu l2=1e-4 > bn > dropout 0.5 > dense 4096 relu l2=1e-4 > bn > dropout 0.5
        > dense 10 l2=1e-4 name=logits"""),
}


def inception(x, name, f1, f2_in, f2_out, f3_in, f3_out, f4):
    where = f"inception_{name}__branch"
    a = chain(x, f"conv {f1} 1 same relu", where + "1__")
    b = chain(x, f"conv {f2_in} 1 same relu > conv {f2_out} 3 same relu", where + "2__")
    c = chain(x, f"conv {f3_in} 1 same relu > conv {f3_out} 5 same relu", where + "3__")
    d = chain(x, f"max 3 stride=1 same > conv {f4} 1 same relu", where + "4__")
    return L.Concatenate()([a, b, c, d])


def auxiliary(x, where):
    text = "avg 5 stride=3 > conv 128 1 relu > flatten > dense 256 relu > dropout 0.4"
    return chain(x, text + " > dense 10 name=logits", where)


def googlenet(images):
    """The heads of GoogLeNet of [classic]."""
    text = """pad 3 > conv 32 3 stride=2 > bn > relu > max 2 stride=1
        > conv 192 3 > bn > relu > conv 192 3 > bn > relu > max 2 stride=1"""
    x = inception(chain(images, text), "3a", 64, 96, 128, 16, 32, 32)
    x = chain(inception(x, "3b", 128, 128, 192, 32, 96, 64), "max 2 stride=1")
    x = fourth = inception(x, "4a", 192, 96, 208, 16, 48, 64)
    x = inception(x, "4b", 160, 112, 224, 24, 64, 64)
    x = inception(x, "4c", 128, 128, 256, 24, 24, 64)
    x = seventh = inception(x, "4d", 112, 144, 288, 32, 64, 64)
    x = chain(inception(x, "4e", 256, 120, 320, 32, 128, 128), "max 2 stride=1")
    x = inception(x, "5a", 256, 160, 320, 32, 128, 128)
    x = inception(x, "5b", 384, 192, 384, 48, 128, 128)
    text = "avg 7 stride=1 > dropout 0.4 > flatten > dense 1000 relu > dense 10 name=main"
    aux1, aux2 = auxiliary(fourth, "aux1__"), auxiliary(seventh, "aux2__")
    return {"main": chain(x, text), "aux1": aux1, "aux2": aux2}


def bottleneck(x, name, width, stride, project):
    text = f"conv {width} 1 stride={stride} > bn > relu > conv {width} 3 same > bn > relu"
    main = chain(x, f"{text} > conv {4 * width} 1 > bn", f"{name}__main__")
    if project:
        x = chain(x, f"conv {4 * width} 1 stride={stride} > bn", f"{name}__shortcut__")
    return L.ReLU()(L.Add()([main, x]))


def resnet50(images):
    """The head of ResNet50 of [classic]."""
    x = chain(images, "pad 3 > conv 64 7 stride=2 same > bn > relu > max 3 stride=2")
    for stage, width, letters in (
        (2, 64, "abc"),
        (3, 128, "abcd"),
        (4, 256, "abcdef"),
        (5, 512, "abc"),
    ):
        for letter in letters:
            stride = 2 if letter == "a" and stage > 2 else 1
            x = bottleneck(x, f"stage{stage}{letter}", width, stride, project=letter == "a")
    return {"main": chain(x, "avg 2 > flatten > dense 10 name=logits")}


NETWORKS = [*TEXTS, "googlenet", "resnet50"]


def reference(name):
    """The network of this name for the images and classes it was published for."""
    shapes = {"mnist": (28, 28, 1), "simpler_cnn_ferplus": (48, 48, 1)}
    images = keras.Input(shapes.get(name, shapes.get(name.split("_")[0], (32, 32, 3))))
    if name in TEXTS:
        return classifier(images, main=chain(images, TEXTS[name]))
    return classifier(images, **{"googlenet": googlenet, "resnet50": resnet50}[name](images))


def dropouts(model):
    """The published rate and the shape of what each Dropout of a reference takes."""
    layers = [layer for layer in model.layers if isinstance(layer, L.Dropout)]
    return [(layer.published_rate, layer.output.shape[1:]) for layer in layers]

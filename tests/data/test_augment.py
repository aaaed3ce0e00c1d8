"""What every augmentation keeps and changes, alone and across devices."""

from functools import partial
from types import SimpleNamespace

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import jaxcnn
from jaxcnn.data import augment, mixing
from jaxcnn.errors import UserError

BATCH, SIZE = 16, 12
few = settings(max_examples=8, deadline=None)
seeds = st.integers(0, 2**20)

crop = jax.jit(augment.random_crop, static_argnums=(2, 3))
flip = jax.jit(augment.random_flip)
alternate = jax.jit(augment.alternating_flip)
cutout = jax.jit(augment.cutout, static_argnums=2)
affine = jax.jit(augment.random_affine)
jitter = jax.jit(augment.color_jitter)
cutmix_weights = jax.jit(mixing.cutmix_weights, static_argnums=1)
mixup_weights = jax.jit(mixing.mixup_weights, static_argnums=1)
mixing_weights = jax.jit(mixing.mixing_weights, static_argnums=(1, 2, 3))
mix = jax.jit(mixing.mix)


def images_of(seed, channels=3):
    shape = (BATCH, SIZE, SIZE, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.float32)


def keys_of(seed):
    return jax.random.split(jax.random.key(seed), BATCH)


def config(**fields):
    off = dict(crop=0, crop_mode="reflect", shift=0.0, rotation=0.0, flip="none", cutout=0)
    others = dict(color_jitter=0.0, brightness=0.0, contrast=0.0, extra=(), mixup=0.0, cutmix=0.0)
    return SimpleNamespace(**(off | others | fields))


EVERYTHING = config(
    crop=2, crop_mode="zero", shift=0.1, rotation=15.0, flip="alternating", cutout=4,
    color_jitter=0.2, cutmix=1.0,
)  # fmt: skip


@few
@given(
    seeds, st.sampled_from([("reflect", "reflect"), ("zero", "constant")]), st.sampled_from([1, 5])
)
def test_a_crop_is_a_window_of_the_padded_image(seed, modes, padding):
    images = images_of(seed)
    cropped = np.asarray(crop(images, keys_of(seed), padding, modes[0]))
    margin = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = np.pad(images, margin, mode=modes[1])
    for image, window in zip(padded, cropped, strict=True):
        every = np.lib.stride_tricks.sliding_window_view(image, window.shape)
        assert (every == window).all(axis=(-3, -2, -1)).any()


def test_crops_reach_every_offset_and_no_further():
    ramp = jnp.arange(8.0)[None, :, None, None] + jnp.zeros((4000, 8, 8, 1))
    cropped = crop(ramp, jax.random.split(jax.random.key(0), 4000), 2)
    assert set(np.asarray(cropped[:, 4, 4, 0]).tolist()) == {2.0, 3.0, 4.0, 5.0, 6.0}


def test_a_reflected_crop_wider_than_the_image_is_refused():
    with pytest.raises(
        UserError, match="augment.crop = 12: must be at most 11 for images of 12x12"
    ):
        crop(images_of(0), keys_of(0), SIZE)


@few
@given(seeds)
def test_flipping_twice_with_the_same_keys_is_identity(seed):
    images, keys = images_of(seed), keys_of(seed)
    once = flip(images, keys)
    np.testing.assert_array_equal(flip(once, keys), images)
    mirrored = images[:, :, ::-1]
    which = (np.asarray(once) == mirrored).all(axis=(1, 2, 3))
    assert ((np.asarray(once) == images).all(axis=(1, 2, 3)) ^ which).all()


@few
@given(seeds, st.integers(0, 100))
def test_alternating_flip_shows_every_example_both_ways_in_two_epochs(seed, epoch):
    images, indices = images_of(seed), jnp.arange(BATCH) * 7
    at = partial(alternate, images, indices, seed=seed)
    now, then = np.asarray(at(epoch=epoch)), np.asarray(at(epoch=epoch + 1))
    np.testing.assert_array_equal(now, then[:, :, ::-1])
    np.testing.assert_array_equal(now, at(epoch=epoch + 2))


def test_alternating_flip_starts_both_ways_and_follows_the_example():
    images, indices = images_of(0), jnp.arange(BATCH)
    first = np.asarray(alternate(images, indices, 0, seed=3))
    share = (first == images).all(axis=(1, 2, 3)).mean()
    assert 0.1 < share < 0.9
    backwards = alternate(images[::-1], indices[::-1], 0, seed=3)
    np.testing.assert_array_equal(backwards, first[::-1])


@few
@given(seeds, st.sampled_from([1, 4, 14]))
def test_cutout_covers_at_most_its_square(seed, size):
    images = images_of(seed) + 1
    fill = np.asarray([-1.0, -2.0, -3.0])
    result = np.asarray(cutout(images, keys_of(seed), size, fill))
    covered = (result == fill).all(axis=-1)
    np.testing.assert_array_equal(result[~covered], images[~covered])
    for square in covered:
        rows, columns = square.any(axis=1).sum(), square.any(axis=0).sum()
        assert 1 <= rows <= size and 1 <= columns <= size
        assert square.sum() == rows * columns


def test_cutout_inside_the_image_covers_the_whole_square():
    keys = jax.random.split(jax.random.key(1), 500)
    result = np.asarray(cutout(jnp.ones((500, 9, 9, 1)), keys, 3))
    assert (result == 0).sum(axis=(1, 2, 3)).max() == 9


@few
@given(seeds, st.floats(0, 180), st.floats(0, 0.5))
def test_an_affine_warp_keeps_the_range_of_pixels(seed, degrees, fraction):
    images = images_of(seed)
    warped = affine(images, keys_of(seed), degrees=degrees, fraction=fraction)
    assert warped.shape == images.shape and warped.dtype == jnp.float32
    assert warped.min() >= images.min() - 1e-3 and warped.max() <= images.max() + 1e-3


def test_no_rotation_and_no_shift_is_identity():
    images, keys = images_of(5), keys_of(5)
    np.testing.assert_array_equal(augment.random_affine(images, keys), images)


def test_a_warp_turns_and_shifts_like_numpy():
    image = images_of(6)[0]
    turned = augment._warp(image, jnp.float32(np.pi / 2), jnp.zeros(2))
    np.testing.assert_allclose(turned, np.rot90(image, -1), atol=1e-2)
    shifted = augment._warp(image, jnp.float32(0), jnp.asarray([2.0, -1.0]))
    edges = np.pad(image, ((0, 2), (1, 0), (0, 0)), mode="edge")
    np.testing.assert_allclose(shifted, edges[2:, :SIZE], atol=1e-3)


@few
@given(seeds, st.sampled_from([1, 3]), st.floats(0.1, 1.0))
def test_color_jitter_keeps_range_and_flat_grey_images_flat(seed, channels, strength):
    images = images_of(seed, channels)
    images[0] = 100.0
    jittered = np.asarray(jitter(images, keys_of(seed), strength))
    assert jittered.min() >= 0 and jittered.max() <= 255
    assert np.ptp(jittered[0]) < 1e-2
    assert np.ptp(jittered[1:] - images[1:]) > 1


def test_no_color_jitter_is_identity():
    images = images_of(7)
    np.testing.assert_allclose(jitter(images, keys_of(7), 0.0), images, atol=1e-3)


def test_brightness_and_contrast_are_those_of_the_record():
    """cifar10-speedrun's `batch_color_jitter`, of standardized pixels: (x + shift) * stretch."""
    images, mean, deviation = images_of(8), np.float32([125, 120, 110]), np.float32([60, 61, 66])
    change = augment.make_augment(
        config(brightness=0.14, contrast=0.13), seed=0, fill=mean, deviation=deviation
    )
    changed, _ = jax.jit(partial(change, batch_key=None, epoch=0))(
        images, None, keys=keys_of(8), example_indices=jnp.arange(BATCH)
    )
    before, after = ((np.asarray(x) - mean) / deviation for x in (images, changed))
    lines = [np.polyfit(x.ravel(), y.ravel(), 1) for x, y in zip(before, after, strict=True)]
    stretches, shifts = np.array(lines).T
    for i in range(BATCH):
        np.testing.assert_allclose(after[i], stretches[i] * before[i] + shifts[i], atol=1e-4)
    assert 0.06 < np.abs(shifts / stretches).max() < 0.14
    assert 0.06 < np.abs(stretches - 1).max() < 0.13 and len(set(stretches.round(5))) == BATCH


def test_brightness_alone_keeps_differences():
    images = images_of(8)
    change = augment.make_augment(config(brightness=0.5), seed=0, deviation=50.0)
    changed, _ = change(
        images, None, keys=keys_of(8), batch_key=None, example_indices=None, epoch=0
    )
    shifts = np.asarray(changed) - images
    np.testing.assert_allclose(
        shifts, np.broadcast_to(shifts[:, :1, :1, :1], images.shape), atol=1e-3
    )
    assert 5 < np.abs(shifts).max() < 25


@few
@given(seeds, st.floats(0.1, 4.0))
def test_cutmix_labels_have_the_share_of_the_pixels(seed, alpha):
    images = jnp.zeros((2, SIZE, SIZE, 1)).at[1].set(1.0)
    weights = cutmix_weights(jax.random.key(seed), (SIZE, SIZE), alpha)
    mixed, labels = mix(images, jnp.eye(2), weights)
    assert set(np.unique(mixed)) <= {0.0, 1.0}
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(mixed.mean(axis=(1, 2, 3)), labels[:, 1], atol=1e-6)


@few
@given(seeds, st.floats(0.1, 4.0))
def test_mixup_blends_images_and_labels_by_the_same_share(seed, alpha):
    images, labels = images_of(seed), np.eye(BATCH, dtype=np.float32)
    weights = mixup_weights(jax.random.key(seed), (SIZE, SIZE), alpha)
    mixed, targets = mix(images, labels, weights)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    own = np.diag(targets)[:, None, None, None]
    expected = own * images + (1 - own) * np.roll(images, -1, axis=0)
    np.testing.assert_allclose(mixed, expected, atol=1e-3)


def test_both_mixings_are_drawn_from_batch_to_batch():
    weights = [
        np.asarray(mixing_weights(jax.random.key(i), (SIZE, SIZE), 1.0, 1.0)) for i in range(20)
    ]
    flat = [np.ptp(w) == 0 and 0 < w[0, 0] < 1 for w in weights]
    assert 0 < sum(flat) < 20


def run_everything(make_runner, epoch=3):
    labels = np.eye(BATCH, dtype=np.float32)
    function = augment.make_augment(EVERYTHING, seed=4)

    def step(images, labels, keys, indices, batch_key, epoch, axis_name=None):
        return function(
            images, labels, keys=keys, batch_key=batch_key, example_indices=indices, epoch=epoch,
            axis_name=axis_name,
        )  # fmt: skip

    batch = images_of(9), labels, keys_of(9), jnp.arange(BATCH)
    return make_runner(step)(*batch, jax.random.key(2), jnp.int32(epoch))


def with_pmap(step):
    def run(*arguments):
        shards = [a.reshape(8, BATCH // 8, *a.shape[1:]) for a in arguments[:4]]
        parallel = jax.pmap(
            partial(step, axis_name="batch"), "batch", in_axes=(0,) * 4 + (None,) * 2
        )
        return [a.reshape(BATCH, *a.shape[2:]) for a in parallel(*shards, *arguments[4:])]

    return run


def with_shard_map(step):
    mesh = Mesh(np.asarray(jax.devices()), "batch")
    specs = (P("batch"),) * 4 + (P(),) * 2
    mapped = jax.shard_map(
        partial(step, axis_name="batch"), mesh=mesh, in_specs=specs,
        out_specs=(P("batch"), P("batch")), check_vma=False,
    )  # fmt: skip
    return jax.jit(mapped)


@pytest.mark.slow
def test_eight_devices_augment_as_one_does():
    assert jax.device_count() == 8
    images, labels = run_everything(jax.jit)
    assert np.abs(np.asarray(images) - images_of(9)).max() > 10
    for parallel in (with_pmap, with_shard_map):
        many_images, many_labels = run_everything(parallel)
        np.testing.assert_allclose(many_images, images, atol=1e-3)
        np.testing.assert_allclose(many_labels, labels, atol=1e-6)


def test_the_same_keys_give_the_same_bits_and_follow_the_example():
    crop_and_cut = augment.make_augment(
        config(crop=2, cutout=3, flip="random", rotation=10.0), seed=0
    )
    call = jax.jit(partial(crop_and_cut, batch_key=None, epoch=0))
    images, keys, indices = images_of(10), keys_of(10), jnp.arange(BATCH)
    first, _ = call(images, None, keys=keys, example_indices=indices)
    again, _ = call(images, None, keys=keys, example_indices=indices)
    turned, _ = call(images[::-1], None, keys=keys[::-1], example_indices=indices[::-1])
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(turned, first[::-1])


@pytest.mark.slow
def test_a_population_of_seeds_is_a_vmap():
    function = augment.make_augment(config(cutout=2, mixup=0.2), seed=0)

    def member(key):
        return function(
            jnp.asarray(images_of(11)), jnp.eye(BATCH), keys=jax.random.split(key, BATCH),
            batch_key=key, example_indices=jnp.arange(BATCH), epoch=jnp.int32(0),
        )  # fmt: skip

    keys = jax.random.split(jax.random.key(0), 3)
    images, labels = jax.jit(jax.vmap(member))(keys)
    alone = jax.jit(member)(keys[1])
    np.testing.assert_allclose(images[1], alone[0], atol=1e-3)
    np.testing.assert_allclose(labels[1], alone[1], atol=1e-6)
    assert np.abs(np.asarray(labels[0] - labels[1])).max() > 1e-3


def test_augmentations_are_registered_in_order():
    names = ["flip", "affine", "crop", "cutout", "color_jitter", "brightness_contrast"]
    assert list(augment._MAKERS) == names


@pytest.mark.usefixtures("own_parts")
def test_the_user_s_augmentations_follow_in_the_order_of_the_config():
    jaxcnn.augmentation("double")(lambda image, key: 2 * image)
    jaxcnn.augmentation("noise")(lambda image, key: image + jax.random.normal(key, image.shape))
    images, keys = jnp.ones((3, 4, 4, 1)), jax.random.split(jax.random.key(0), 3)
    numbers = {"keys": keys, "batch_key": keys[0], "example_indices": jnp.arange(3), "epoch": 0}

    def augmented(*extra):
        function = augment.make_augment(config(extra=extra), seed=0)
        return np.asarray(function(images, None, **numbers)[0])

    noise = augmented("noise") - 1
    assert np.ptp(noise[:, 0, 0, 0]) > 0  # each example has its own key
    np.testing.assert_allclose(augmented("double", "noise"), 2 + noise, atol=1e-6)
    np.testing.assert_allclose(augmented("noise", "double"), 2 * (1 + noise), atol=1e-6)


def test_nothing_on_is_none():
    assert augment.make_augment(config(), seed=0) is None

"""Nets and what they see, as pictures: docs/pictures.md."""

from zoo.visual.ascent_picture import AscentPicture, ascent
from zoo.visual.blob_planes import activations
from zoo.visual.class_map import ClassMap, grad_cam
from zoo.visual.drawing import draw, net_tree
from zoo.visual.filter_planes import filters
from zoo.visual.grid import grid
from zoo.visual.occlusion_map import OcclusionMap, occlusion
from zoo.visual.top_patches import TopImage, TopImages, top_images

__all__ = [
    "AscentPicture",
    "ClassMap",
    "OcclusionMap",
    "TopImage",
    "TopImages",
    "activations",
    "ascent",
    "draw",
    "filters",
    "grad_cam",
    "grid",
    "net_tree",
    "occlusion",
    "top_images",
]

"""Image classification: which of several classes an image shows."""

from ecrnn.core.augmentations import KINDS
from ecrnn.core.tasks import Card, Task

TASK = Task(
    name="image-classification",
    metric="accuracy",
    examples="images",
    noun="images",
    augmentations=KINDS,
    pipeline="image-classification",
    use="ecrnn predict {bundle} image.png",
    card=Card(
        what="An image classifier",
        each="an image",
        command="ecrnn predict {folder} photo.png",
        call='.predict(["photo.png"])',
        limits="The figure holds for images like those of the data set. The model always answers with one of its "
        "classes, also for an\nimage of something else. The images' own licence applies to what is made from them.",
    ),
    settings="ecrnn.tasks.image_classification.settings:ImageSettings",
    load="ecrnn.tasks.image_classification.data:load",
    prepare="ecrnn.tasks.image_classification.data:prepare",
    objective="ecrnn.tasks.image_classification.objective:ImageClassification",
    predictor="ecrnn.tasks.image_classification.predictor:ImagePredictor",
    random_batch="ecrnn.tasks.image_classification.objective:random_batch",
    has_validation="ecrnn.data.folder:has_validation",
    of_arrays="ecrnn.tasks.image_classification.data:of_arrays",
    export="ecrnn.tasks.image_classification.export:ImageExport",
    inputs=("image", "classes"),
    usual={"image": (3, 32, 32), "classes": 10},
    parts=("preprocessing",),
    classes=True,
    data_sets=("cifar10", "cifar100", "digits", "fashion-mnist", "mnist"),
)

"""torch's side of the benchmark of populations: members as one batch, by `torch.func.vmap`."""

from typing import Any

import torch
from sides import Job
from torch import Tensor, func
from torch_networks import build
from torch_side import Worker as SingleWorker
from torch_side import cross_entropy, make_optimizer

from jaxcnn.data.loading import dataset_sizes


class Worker(SingleWorker):
    """Networks that differ in their initial values, with stacked parameters and one optimizer.

    BatchNorm's running averages and dropout's masks are states that `vmap` does not take.

    Args:
      job: the network, its config and its data.
      num_members: number of members.
    """

    def __init__(self, job: Job, *, num_members: int):
        super().__init__(job, num_workers=0)
        _, image_shape = dataset_sizes(job.config.dataset)
        members = [build(job.network, image_shape).to(self.device) for _ in range(num_members)]
        parameters, _ = func.stack_module_state(members)
        self.parameters = {k: v.detach().requires_grad_() for k, v in parameters.items()}
        stacked = torch.nn.ParameterList(self.parameters.values())
        self.num_members = num_members
        self.optimizer = make_optimizer(stacked, job.config.optimizer)
        self.gradients = func.vmap(func.grad_and_value(self._loss, has_aux=True))

    def train_step(self, count: int) -> None:
        """Train all members `count` steps, each on its own batches."""
        for _ in range(count):
            shape = self.num_members, self.batch_size
            images, labels = self._take(torch.randint(len(self.labels), shape))
            self._train(images, labels)
        self._finish()

    def _take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (members, batch, channels, height, width), and labels."""
        images = self.images[indices].movedim(-1, -3).float().div_(255)
        return images, self.labels[indices]

    def _loss(self, parameters: dict[str, Tensor], images: Tensor, labels: Tensor) -> Any:
        scores = func.functional_call(self.model, parameters, (images,))
        return cross_entropy(scores, labels)

    def _train(self, images: Tensor, labels: Tensor) -> None:
        gradients, (loss, scores) = self.gradients(self.parameters, images, labels)
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        self.optimizer.step()
        self.sums[0] += loss.detach().sum() * self.batch_size
        self.sums[1] += (scores.detach().argmax(-1) == labels).sum()

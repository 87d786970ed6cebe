"""Every solver over 100 steps against the formulas of its paper's update as Caffe has them."""

import numpy as np
import pytest

from zoo.transfer.caffe_training import CaffeSolver

STEPS, BATCH = 100, 4
SOLVER = (
    'net: "net.prototxt" max_iter: 100 random_seed: 3 lr_policy: "inv" gamma: 0.02 power: 0.6'
    ' snapshot_prefix: "s" snapshot_after_train: false'
)
RULES = {
    "SGD": "momentum: 0.85",
    "Nesterov": "momentum: 0.85",
    "AdaGrad": "delta: 1e-5",
    "RMSProp": "rms_decay: 0.9 delta: 1e-4",
    "AdaDelta": "momentum: 0.9 delta: 1e-3 base_lr: 1",
    "Adam": "momentum: 0.8 momentum2: 0.95 delta: 1e-5",
}
OTHERS = {
    "plain": "",
    "l2": "weight_decay: 0.1",
    "l1_clipped_summed": (
        'weight_decay: 0.03 regularization_type: "L1" clip_gradients: 0.4 iter_size: 3'
    ),
}


class Reference:
    """The solver in numpy, with the sign, the roots and the order of the operations written out."""

    def __init__(self, param, params):
        self.param, self.params = param, params
        self.memory = {name: [0.0, 0.0] for name in params}

    def update(self, gradients, rate, done):
        param = self.param
        norm = np.sqrt(sum((each**2).sum() for each in gradients.values()))
        for name, (mult, decay) in {"weight": (1, 1), "bias": (2, 0)}.items():
            value, gradient = self.params[name], gradients[name]
            if 0 <= param.clip_gradients < norm:
                gradient = gradient * param.clip_gradients / norm
            gradient = gradient / param.iter_size
            penalty = np.sign(value) if param.regularization_type == "L1" else value
            gradient = gradient + param.weight_decay * decay * penalty
            self.params[name] = value - self.step(name, gradient, rate * mult, done)

    def step(self, name, gradient, rate, done):
        param, memory = self.param, self.memory[name]
        old = list(memory)
        keep = param.momentum
        if param.type in ("SGD", "Nesterov"):
            memory[0] = keep * old[0] + rate * gradient
            return memory[0] if param.type == "SGD" else memory[0] + keep * (memory[0] - old[0])
        if param.type == "AdaGrad":
            memory[0] = old[0] + gradient**2
            return rate * gradient / (np.sqrt(memory[0]) + param.delta)
        if param.type == "RMSProp":
            memory[0] = param.rms_decay * old[0] + (1 - param.rms_decay) * gradient**2
            return rate * gradient / (np.sqrt(memory[0]) + param.delta)
        if param.type == "AdaDelta":
            memory[0] = keep * old[0] + (1 - keep) * gradient**2
            step = gradient * np.sqrt(old[1] + param.delta) / np.sqrt(memory[0] + param.delta)
            memory[1] = keep * old[1] + (1 - keep) * step**2
            return rate * step
        memory[0] = keep * old[0] + (1 - keep) * gradient
        memory[1] = param.momentum2 * old[1] + (1 - param.momentum2) * gradient**2
        mean = memory[0] / (1 - keep ** (done + 1))
        root = np.sqrt(1 - param.momentum2 ** (done + 1))
        return rate * mean * root / (np.sqrt(memory[1]) + param.delta)


@pytest.mark.parametrize("others", OTHERS)
@pytest.mark.parametrize("rule", RULES)
def test_a_hundred_steps_follow_the_formulas(project, rows, rule, others):
    settings = f'type: "{rule}" {RULES[rule]} {OTHERS[others]}'
    base = "" if "base_lr" in settings else "base_lr: 0.05"
    folder = project(settings, solver=f"{SOLVER} {base}")
    run = CaffeSolver("solver.prototxt", folder=folder)
    weight, bias = run.net.params["ip"]
    reference = Reference(run.param, {"weight": weight.astype(float), "bias": bias.astype(float)})
    x, y = rows
    place = 0
    losses = []
    for done in range(STEPS):
        gradients, loss = {"weight": 0, "bias": 0}, 0
        for _ in range(run.param.iter_size):
            index = np.arange(place, place + BATCH) % len(x)
            place += BATCH
            apart = x[index] @ reference.params["weight"].T + reference.params["bias"] - y[index]
            gradients["weight"] += apart.T @ x[index] / BATCH
            gradients["bias"] += apart.sum(0) / BATCH
            loss += (apart**2).sum() / (2 * BATCH) / run.param.iter_size
        losses.append(loss)
        rate = run.param.base_lr * (1 + 0.02 * done) ** -0.6
        reference.update(gradients, rate, done)
    run.step(STEPS)
    for received, name in zip(run.net.params["ip"], ("weight", "bias"), strict=True):
        np.testing.assert_allclose(received, reference.params[name], rtol=1e-4, atol=1e-5)
    assert run.solve().losses == pytest.approx(losses, rel=1e-4)

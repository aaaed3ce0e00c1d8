"""Learning rates and momenta of the LeNet-5-like CNN, three seeds each.

`jaxcnn sweep --config=lenet5:base_lr0p01 --sweep=lenet5_rates`

Source of the rates: [sgd], which trains one run of each. Its momenta go with the rate 0.01 alone.
"""

SWEEP = """
optimizer.learning_rate=.001,.01,.1
optimizer.momentum=0,.2,.5,.9
seed=0..2
"""

"""Learning rates and momenta of the multi-layer perceptron, three seeds each.

`jaxcnn sweep --config=mlp:base_lr0p005 --sweep=mlp_rates`

Source of the rates: [sgd], which trains one run of each. Its momenta go with the rate 0.005 alone.
"""

SWEEP = """
optimizer.learning_rate=.001,.005,.1
optimizer.momentum=0,.2,.5,.9
seed=0..2
"""

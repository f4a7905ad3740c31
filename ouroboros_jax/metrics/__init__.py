"""Pure functions that compare one generation's model with the truth, test data or generation 0.

mixture        Gaussians and mixtures: distances, tails, components
images, text   sets of images; texts
linalg, roots, gram_schmidt
               decompositions of many small matrices
names          what each metric is called, its units and axes
asked          which of them are computed
"""

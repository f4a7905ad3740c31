"""Model families, one a file, each a factory of a `base.Learner`; `settings/` has their settings.

gaussian, gmm, kde, symmetric_gmm, location
                     points: densities, and means and medians
linear_regression, logistic_regression
                     inputs with targets or classes
categorical, poisson
                     symbols and counts
heat_death           a few outcomes at a temperature
vae                  images; vae_model, vae_measure, image_losses, judge and pixels are parts of it
lm, ngram            tokens; lm_model, lm_loss, lm_training and lm_measure are parts of lm

em, kmeans           how mixtures are fitted
least_squares        how regressions are fitted
epochs               how networks of images are trained
options              the string options of a factory, checked
"""

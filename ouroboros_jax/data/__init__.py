"""Real data as values: laws that can be drawn from, bundled tables, and files of the user's own.

Every factory returns a `base.RealData`. Names map to factories in `settings/data/`, so nothing here
is imported before it is needed.

synthetic, shapes             mixtures; moons, circles, swiss roll
regression                    inputs with targets, drawn or from scikit-learn
symbols, vocabulary, outcomes laws on symbols; counts of words; laws on a few outcomes
tables, files                 scikit-learn's tables; a user's .npy or .csv
images, idx, tfds_images      images: by name, from IDX files, through TensorFlow Datasets
text, corpora, lines, tokenizer
                              blocks of tokens: by name, where the text is found, how it is cut
scored                        text, or tokens, that stored language models are scored on
translated                    text of one tokenizer in the tokens of another
base, classes                 what they have in common
"""

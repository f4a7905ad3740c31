"""Networks as Flax modules, and checkpoints as other people store them.

decoder, decoder_config     one decoder for GPT-2 and OPT, with a key-value cache
dropout                     dropout from 16 random bits a number, and of whole layers
hf_config, hf_layout        config.json and tensor names of published checkpoints
weight_files, torch_pickle  reading them: safetensors, msgpack, pytorch_model.bin
checkpoints, hub            a folder or hub id loaded; a model exported
vae, classifier             autoencoders and classifiers of images
strided                     convolutions of stride 2 as products, which CPUs are quick at
initial                     PyTorch's initialisation
"""

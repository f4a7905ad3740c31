"""Run, resume, sample, draw: hands the command line to `ouroboros_jax.cli`.

python launch.py --config=configs/gmm.py
python launch.py --help
"""

from ouroboros_jax.cli import entry

if __name__ == "__main__":
    entry()

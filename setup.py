"""How pivl-bench is installed: `pip install .`, or `make` for a `.venv` with the pins of constraints.txt."""

from setuptools import find_packages, setup

MLFLOW = ["mlflow>=3.13"]
SEARCH = ["optuna>=4.9"]
DASK = ["distributed"]
TRANSFORMERS = ["transformers"]
POSTGRESQL = ["psycopg[binary]"]
EXPORT = ["onnx", "onnxruntime", "onnxscript"]
ALL = [*MLFLOW, *SEARCH, *DASK, *TRANSFORMERS, *POSTGRESQL, *EXPORT]

setup(
    name="pivl-bench",
    version="0.1.0",
    description="Benchmark and ablation harness for Part-Informed Visual-Language Learning (arXiv 2308.02738)",
    author="The pivl-bench maintainers",
    license="MIT",
    license_files=["LICENSE"],
    keywords=[
        "person re-identification",
        "vision-language models",
        "CLIP",
        "benchmark",
        "ablation study",
        "reproducibility",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["pivl", "pivl.*", "studies", "studies.*", "harness", "harness.*"]),
    package_data={
        **{package: ["*.typed"] for package in ("pivl", "studies", "harness")},
        "pivl.synthped": ["*.safetensors", "*.json", "*.md"],
        "harness.report.page": ["*.html"],
        "pivl.parsers": ["*.safetensors", "*.md"],
    },
    entry_points={"console_scripts": ["pivl-bench = harness.cli.main:main"]},
    install_requires=[
        "torch>=2.6",
        "torchvision",
        "open_clip_torch>=3.3,<4",
        "safetensors",
        "numpy",
        "scipy",
        "pandas",
        "pyarrow",
        "tabulate",
        "click",
        "pillow>=10.1",
        "timm",
        "matplotlib",
        "scikit-learn",
        "jinja2",
    ],
    extras_require={
        "mlflow": MLFLOW,  # runs shown in MLflow
        "search": SEARCH,  # search
        "dask": DASK,  # --launcher dask
        "transformers": TRANSFORMERS,  # --parser transformers
        "postgresql": POSTGRESQL,  # search --storage postgresql://...
        "export": EXPORT,  # export --format onnx
        "all": ALL,  # what every command needs
        "dev": [
            *ALL,
            "pytest",
            "pytest-xdist",
            "ruff",
            "mypy",
            "codespell",
            "pandas-stubs",
        ],
    },
)

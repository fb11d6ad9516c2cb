"""Package of the drug-discount claims anomaly detection engine."""

from setuptools import find_packages, setup

setup(
    name="drug-discount-engine",
    version="0.1.0",
    description="Finds duplicate and ineligible drug discounts in rebate, pharmacy and 340B claims",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["engine", "engine.*", "jobs"]),
    package_data={"engine.exports": ["templates/*.html"]},
    install_requires=[
        "pyspark>=4.2.1,<4.3",
        "pandas>=2.3.3,<3",
        "pyarrow>=25.0.1,<26",
        "numpy>=2.4,<2.5",
        "scikit-learn>=1.9,<1.10",
        "pyod>=3.6,<3.7",
        "numba>=0.68,<0.69",
        "rapidfuzz>=3.14,<4",
        "mlflow>=3.17.2,<3.18",
        "pyodbc>=5.5,<5.6",
        "tenacity>=9.1,<10",
        "pydantic>=2.14,<3",
        "PyYAML>=6.0,<7",
        "typer>=0.29,<0.30",
        "rich>=15,<16",
        "XlsxWriter>=3.3,<3.4",
        "Jinja2>=3.1,<4",
        "matplotlib>=3.11,<3.12",
    ],
    extras_require={
        "mssql-python": ["mssql-python>=1.16,<2"],
        "dev": [
            "pytest>=9.2,<10",
            "pytest-xdist>=3.8,<4",
            "hypothesis>=6.170,<7",
            "openpyxl>=3.1,<3.2",
            "ruff>=0.17,<0.18",
            "mypy>=2.4,<3",
            "import-linter>=2.16,<3",
            "pandas-stubs>=2.3,<3",
            "types-PyYAML",
            "nbclient>=0.10,<0.12",
            "ipykernel>=6.29,<8",
        ],
    },
)

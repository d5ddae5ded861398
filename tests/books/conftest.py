"""One book and its bundle for all tests that change copies of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.books.book import Book

from .bundles import Entries, entries_of, two_months


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    return two_months(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="session")
def bundle(book: Book, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    entries_of(book, 2, folder)
    return folder / "bundle-2.zip"


@pytest.fixture(scope="session")
def entries(book: Book, tmp_path_factory: pytest.TempPathFactory) -> Entries:
    return entries_of(book, 2, tmp_path_factory.mktemp("entries"))

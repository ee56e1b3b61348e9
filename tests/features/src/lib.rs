//! Nothing. The manifest of this crate enables features of dependencies, so that one package is tested with
//! the same builds of its dependencies as the whole workspace. `unify.py` writes it.

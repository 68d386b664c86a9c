//! All enrollment entries, ready to be looked up (rule B1). Immutable: a change makes a new book of the next generation.

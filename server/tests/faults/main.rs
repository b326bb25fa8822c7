//! The program itself, as a child process, on its bad days: killed, cut off, out of room, overrun. What goes
//! wrong is drawn at random; each test prints its seed, and `ENTRENOUS_SEED` draws the same again.

mod cluster;
mod crowd;
mod cuts;
mod disk;
mod due;
mod engines;
mod kill;
mod mysql8;
mod people;
mod program;
mod proxy;

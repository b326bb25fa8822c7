//! The server through its real router, on a real socket and a real database, used by real clients. One file a
//! subject; each test's name is the rule that it holds.

mod accounts;
mod administration;
mod archive;
mod blocks;
mod changes;
mod clocks;
mod command_line;
mod conversations;
mod credentials;
mod disappearing;
mod doctor;
mod epochs;
mod factor;
mod fallbacks;
mod followers;
mod indicators;
mod keys;
mod listening;
mod live;
mod mail;
mod manners;
mod messages;
mod monitoring;
mod people;
mod presence;
mod profiles;
mod reports;
mod resets;
mod retries;
mod scheduled;
mod sessions;
mod smtp;
mod support;
mod survey;
mod tls;

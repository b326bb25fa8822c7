//! People as others see them: their public profile, and how they are found.
//!
//! Search works on `search_terms`: every handle and display name, folded (no case, no accents), from each of
//! its word starts, with a weight that ranks the kind of match. A query is then a prefix: one range of the
//! primary key a weight, read in order and no further than the page needs, however many accounts there are.

use axum::extract::State;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::erasure;
use crate::error::{Code, Problem, Result};
use crate::schema::tables::{accounts, search_terms};
use crate::sessions::CurrentAccount;
use crate::wire::{Path, Query};

const PAGE: usize = 20;
const MAX_PAGE: usize = 50;
/// Terms read in one go, and at most for one page: where two words are both common and seldom together, a page
/// comes back short, with a `next` to go on.
const SIFTED: usize = 100;
const MAX_LOOKED_AT: usize = 2_000;
const MAX_WORDS: usize = 4;
/// Longer words add nothing to a prefix search; the column holds this many bytes.
const MAX_TERM_BYTES: usize = 128;

/// The kinds of match, best first.
const WEIGHTS: [Weight; 4] = [Weight::Handle, Weight::Name, Weight::NameWord, Weight::HandleWord];

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Weight {
    Handle = 1,
    Name = 2,
    NameWord = 3,
    HandleWord = 4,
}

/// A public profile: all that anyone else may see of an account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Person {
    pub id: Uuid,
    pub handle: String,
    pub display_name: String,
    pub status: String,
    pub bio: String,
    /// Names a picture under `/api/avatars/`.
    pub avatar: Option<Uuid>,
    /// The account was erased: nothing is known of it but its id.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

impl Person {
    /// Who had this account, which was erased.
    pub fn gone(id: Uuid) -> Self {
        let none = String::new;
        Self {
            id,
            handle: none(),
            display_name: none(),
            status: none(),
            bio: none(),
            avatar: None,
            gone: true,
        }
    }
}

impl From<accounts::Model> for Person {
    fn from(account: accounts::Model) -> Self {
        let accounts::Model { id, handle, display_name, status, bio, avatar, .. } = account;
        Self { id, handle, display_name, status, bio, avatar, gone: false }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// What was typed so far.
    q: String,
    /// Where the last page ended.
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub struct Found {
    people: Vec<Person>,
    next: Option<String>,
}

/// Find people by the beginning of their handle, their name, or a word of it. Those who are suspended are left out.
#[utoipa::path(get, path = "/people", tag = "people", params(Search), responses(
    (status = 200, body = Found), (status = "default", body = Problem)))]
pub async fn search(
    _: CurrentAccount,
    State(app): State<App>,
    Query(search): Query<Search>,
) -> Result<axum::Json<Found>> {
    let words = words_of(&search.q);
    let limit = search.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let mut place = search.cursor.as_deref().map_or(Ok(Place::start()), Place::parse)?;
    let Some(prefix) = rarest(app.db.read(), &words).await? else {
        return Ok(axum::Json(Found { people: Vec::new(), next: None }));
    };
    let mut people = Vec::new();
    let mut looked_at = 0;
    while people.len() < limit && looked_at < MAX_LOOKED_AT {
        let Some(rows) = place.next_rows(app.db.read(), prefix, SIFTED).await? else {
            return Ok(axum::Json(Found { people, next: None }));
        };
        looked_at += rows.len();
        let mut found = admitted(app.db.read(), rows.iter().map(|row| row.account)).await?;
        for row in rows {
            if people.len() == limit {
                break;
            }
            place.after(&row);
            let Some(person) = found.remove(&row.account) else { continue };
            // A person with several matches is shown once, at the best of them.
            let best = terms(&person.handle, &person.display_name)
                .into_iter()
                .filter(|(_, term)| term.starts_with(prefix))
                .min();
            if best == Some((place.weight(), row.term)) && matches_all(&person, &words) {
                people.push(person);
            }
        }
    }
    Ok(axum::Json(Found { people, next: Some(place.to_string()) }))
}

/// Those of them who are not kept out.
async fn admitted(
    db: &impl ConnectionTrait,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Person>> {
    let those = accounts::Entity::find()
        .filter(accounts::Column::Id.is_in(ids))
        .filter(accounts::Column::SuspendedAt.is_null());
    Ok(those.all(db).await?.into_iter().map(|row| (row.id, row.into())).collect())
}

/// The word that fewest terms begin with: the others then have little to sift.
async fn rarest<'a>(db: &impl ConnectionTrait, words: &'a [String]) -> Result<Option<&'a str>> {
    let mut rarest = None;
    for word in words {
        let mut count = 0;
        for weight in WEIGHTS.iter().take_while(|_| words.len() > 1) {
            count += matches(*weight, word, None, MAX_LOOKED_AT).count(db).await?;
        }
        if rarest.is_none_or(|(least, _)| count < least) {
            rarest = Some((count, word.as_str()));
        }
    }
    Ok(rarest.map(|(_, word)| word))
}

/// Somebody's public profile.
#[utoipa::path(get, path = "/people/{account}", tag = "people", params(("account" = Uuid, Path)), responses(
    (status = 200, body = Person), (status = "default", body = Problem)))]
pub async fn person(
    _: CurrentAccount,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<axum::Json<Person>> {
    Ok(axum::Json(by_id(app.db.read(), [account]).await?.remove(&account).ok_or(Code::NotFound)?))
}

/// Somebody who has an account.
pub async fn load(db: &impl ConnectionTrait, account: Uuid) -> Result<Person> {
    Ok(accounts::Entity::find_by_id(account).one(db).await?.ok_or(Code::NotFound)?.into())
}

/// These people, also those whose account was erased.
pub async fn by_id(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Person>> {
    let mut ids: HashSet<Uuid> = ids.into_iter().collect();
    let rows =
        accounts::Entity::find().filter(accounts::Column::Id.is_in(ids.iter().copied())).all(db).await?;
    let mut people: HashMap<Uuid, Person> = rows.into_iter().map(|row| (row.id, row.into())).collect();
    ids.retain(|id| !people.contains_key(id));
    if !ids.is_empty() {
        let gone = erasure::gone(db, ids.into_iter().collect()).await?;
        people.extend(gone.into_iter().map(|id| (id, Person::gone(id))));
    }
    Ok(people)
}

/// Make an account findable under its present names.
pub async fn index(tx: &impl ConnectionTrait, account: &accounts::Model) -> Result<()> {
    search_terms::Entity::delete_many().filter(search_terms::Column::Account.eq(account.id)).exec(tx).await?;
    let rows = terms(&account.handle, &account.display_name).into_iter().map(|(weight, term)| {
        search_terms::ActiveModel::from(search_terms::Model {
            weight: weight as i16,
            term,
            account: account.id,
        })
    });
    search_terms::Entity::insert_many(rows).exec_without_returning(tx).await?;
    Ok(())
}

/// Where a search stands: which weight, and after which row of it.
struct Place {
    weight: usize,
    after: Option<(String, Uuid)>,
}

impl Place {
    fn start() -> Self {
        Self { weight: 0, after: None }
    }

    fn parse(cursor: &str) -> Result<Self> {
        let parse = || {
            let (weight, rest) = cursor.split_once('~')?;
            let (account, term) = rest.split_once('~')?;
            let weight = weight.parse().ok().filter(|weight| *weight < WEIGHTS.len())?;
            // No term has one, and not every database takes it.
            let term = Some(term).filter(|term| !term.contains('\0'))?.to_owned();
            Some(Self { weight, after: Some((term, account.parse().ok()?)) })
        };
        parse().ok_or_else(|| Code::BadRequest.into())
    }

    fn weight(&self) -> Weight {
        WEIGHTS[self.weight]
    }

    fn after(&mut self, row: &search_terms::Model) {
        self.after = Some((row.term.clone(), row.account));
    }

    /// The next rows that begin with `prefix`, from this weight or a later one.
    async fn next_rows(
        &mut self,
        db: &impl ConnectionTrait,
        prefix: &str,
        limit: usize,
    ) -> Result<Option<Vec<search_terms::Model>>> {
        loop {
            let rows = matches(self.weight(), prefix, self.after.as_ref(), limit).all(db).await?;
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
            if self.weight + 1 == WEIGHTS.len() {
                return Ok(None);
            }
            self.weight += 1;
            self.after = None;
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (term, account) = self.after.clone().unwrap_or_default();
        write!(f, "{}~{account}~{term}", self.weight)
    }
}

/// A stretch of the primary key (weight, term, account).
fn matches(
    weight: Weight,
    prefix: &str,
    after: Option<&(String, Uuid)>,
    limit: usize,
) -> sea_orm::Select<search_terms::Entity> {
    use search_terms::Column;
    // No folded text contains U+10FFFF, so this closes the range of all that begin with the prefix.
    let end = format!("{prefix}\u{10FFFF}");
    let mut select = search_terms::Entity::find()
        .filter(Column::Weight.eq(weight as i16))
        .filter(Column::Term.gte(prefix))
        .filter(Column::Term.lt(end))
        .order_by_asc(Column::Term)
        .order_by_asc(Column::Account)
        .limit(limit as u64);
    if let Some((term, account)) = after {
        let later = Condition::any().add(Column::Term.gt(term.as_str())).add(Column::Account.gt(*account));
        select = select.filter(Column::Term.gte(term.as_str())).filter(later);
    }
    select
}

/// The ids of the accounts that a word finds, as a part of another query; None where there is nothing to look for.
pub fn found_by(query: &str) -> Option<SelectStatement> {
    let word = words_of(query).into_iter().max_by_key(String::len)?;
    let end = format!("{word}\u{10FFFF}");
    let found = search_terms::Entity::find()
        .select_only()
        .column(search_terms::Column::Account)
        .filter(search_terms::Column::Weight.is_in(WEIGHTS.map(|weight| weight as i16)))
        .filter(search_terms::Column::Term.gte(word))
        .filter(search_terms::Column::Term.lt(end));
    Some(found.into_query())
}

/// All terms an account is found by, each with the best weight it has.
fn terms(handle: &str, display_name: &str) -> Vec<(Weight, String)> {
    let name = fold(display_name);
    let mut terms: Vec<(Weight, String)> = Vec::new();
    for (text, whole, word) in
        [(handle, Weight::Handle, Weight::HandleWord), (&name, Weight::Name, Weight::NameWord)]
    {
        let starts = text.char_indices().filter(|(at, c)| {
            c.is_alphanumeric() && !text[..*at].chars().next_back().is_some_and(char::is_alphanumeric)
        });
        for (at, _) in starts {
            let term = shorten(&text[at..]).to_owned();
            terms.push((if at == 0 { whole } else { word }, term));
        }
    }
    terms.sort();
    let mut seen = std::collections::HashSet::new();
    terms.retain(|(_, term)| seen.insert(term.clone()));
    terms
}

/// The words of a query; an @ in front of a handle is how people write it.
fn words_of(query: &str) -> Vec<String> {
    let folded = fold(query.trim().trim_start_matches('@'));
    folded
        .split(|c: char| c.is_whitespace() || c.is_control())
        .map(|word| shorten(word).to_owned())
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
        .collect()
}

/// Whether each word begins a word of the person's name or handle.
fn matches_all(person: &Person, words: &[String]) -> bool {
    let terms = terms(&person.handle, &person.display_name);
    words.iter().all(|word| terms.iter().any(|(_, term)| term.starts_with(word.as_str())))
}

fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TERM_BYTES)]
}

/// Without case and without accents: "Éloïse" and "ELOISE" are both "eloise".
pub fn fold(text: &str) -> String {
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    let mut folded = String::with_capacity(text.len());
    for c in plain {
        match c {
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            'ß' => folded.push_str("ss"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ı' => folded.push('i'),
            c => folded.push(c),
        }
    }
    folded
}

/// No control characters, and none that turn the direction of the text around them: a name stays where it is.
pub fn is_plain_text(text: &str) -> bool {
    let turns =
        |c: char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    !text.chars().any(|c| c.is_control() || turns(c))
}

/// At least one character that takes up room.
pub fn is_visible(text: &str) -> bool {
    let unseen = |c: char| {
        c.is_whitespace()
            || is_combining_mark(c)
            || matches!(c, '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
                | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}')
    };
    !text.chars().all(unseen)
}

#[cfg(test)]
mod tests {
    use sea_orm::{DatabaseBackend, QueryTrait, Statement};

    use super::*;
    use crate::config::Config;
    use crate::db::Db;

    fn found_by(handle: &str, name: &str, query: &str) -> bool {
        let person = Person {
            id: Uuid::nil(),
            handle: handle.to_owned(),
            display_name: name.to_owned(),
            status: String::new(),
            bio: String::new(),
            avatar: None,
            gone: false,
        };
        let words = words_of(query);
        !words.is_empty() && matches_all(&person, &words)
    }

    #[test]
    fn names_are_found_without_case_and_accents() {
        for query in
            ["elo", "ÉLO", "Éloï", "eloise", "@eloise", "march", "eloise mar", "marchand éloïse", "e.m"]
        {
            assert!(found_by("e.marchand_eloise", "Éloïse Marchand", query), "{query}");
        }
        assert!(found_by("coeur", "Cœur Strauß", "coeur strauss"));
        assert!(found_by("ngo", "Nguyễn Ngô", "nguyen"));
        assert!(found_by("lodz", "Łódź", "lodz"));
    }

    #[test]
    fn only_the_beginning_of_a_word_matches() {
        assert!(found_by("jean", "Jean-Luc Villon", "luc"));
        for query in ["ean", "illon", "uc", " ", "@", "jean zoe"] {
            assert!(!found_by("jean", "Jean-Luc Villon", query), "{query}");
        }
    }

    #[test]
    fn the_whole_handle_ranks_before_a_word_of_the_name() {
        let terms = terms("marc", "Anne Marc");
        assert_eq!(terms.iter().find(|(_, term)| term == "marc"), Some(&(Weight::Handle, "marc".to_owned())));
    }

    /// With 100,000 accounts a search reads a stretch of the primary key, and neither the whole of it nor the
    /// accounts, on its first page and on every other.
    #[tokio::test]
    async fn a_search_among_a_hundred_thousand_uses_the_index() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.data = folder.path().to_owned();
        let db = Db::open(&config).await.unwrap();
        for thousand in 0..100 {
            let people = (0..1_000).map(|n| format!("user{:05}", thousand * 1_000 + n));
            let terms = people.flat_map(|handle| {
                terms(&handle, "Somebody Else").into_iter().map(|(weight, term)| {
                    let row = search_terms::Model { weight: weight as i16, term, account: Uuid::now_v7() };
                    search_terms::ActiveModel::from(row)
                })
            });
            let terms: Vec<_> = terms.collect();
            db.write(async |tx| {
                Ok(search_terms::Entity::insert_many(terms.clone()).exec_without_returning(tx).await?)
            })
            .await
            .unwrap();
        }
        let found = Place::start().next_rows(db.read(), "user0424", 20).await.unwrap().unwrap();
        assert_eq!(found.len(), 10);

        let words = ["somebody", "user04242"].map(str::to_owned);
        assert_eq!(rarest(db.read(), &words).await.unwrap(), Some("user04242"));

        let after = (found[3].term.clone(), found[3].account);
        for after in [None, Some(&after)] {
            let query = matches(Weight::Handle, "user0424", after, 20).build(DatabaseBackend::Sqlite);
            let explain = Statement { sql: format!("EXPLAIN QUERY PLAN {}", query.sql), ..query };
            let rows = db.read().query_all_raw(explain).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect();
            assert_eq!(plan, ["SEARCH search_terms USING PRIMARY KEY (weight=? AND term>? AND term<?)"]);
        }
    }

    #[test]
    fn very_long_names_stay_within_the_column() {
        let name = "漢".repeat(64);
        assert!(terms("han", &name).iter().all(|(_, term)| term.len() <= MAX_TERM_BYTES));
    }

    #[test]
    fn a_name_cannot_turn_the_text_around_it() {
        assert!(is_plain_text("Éloïse 👩‍🚀 דוד"));
        for name in ["a\u{202E}b", "a\nb", "a\u{0}b", "\u{2066}a"] {
            assert!(!is_plain_text(name), "{name:?}");
        }
    }
}

//! The tables: made and brought to the present schema at the start, by one node at a time.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, raw_sql};

use super::OpenError;

/// What brings the tables from each version of the schema to the next.
pub(super) const MIGRATIONS: [&str; 3] =
    [include_str!("schema1.sql"), include_str!("schema2.sql"), include_str!("schema3.sql")];

/// The advisory lock of whoever migrates: `relais` in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(125780070035827)";

/// Makes `schema` if it is not there, and brings it to the present version; refuses a later one.
pub(super) async fn migrate(connection: &mut PgConnection, schema: &str) -> Result<(), OpenError> {
    let mut transaction = connection.begin().await?;
    sqlx::query(LOCK).execute(&mut *transaction).await?;
    // To create what is there asks for rights that a later start may no longer have.
    let there = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema);
    if there.fetch_optional(&mut *transaction).await?.is_none() {
        // The name was checked to be a plain word when it was configured.
        let create = AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""));
        raw_sql(create).execute(&mut *transaction).await?;
    }
    let versioned = sqlx::query("SELECT to_regclass('schema_version') IS NOT NULL");
    let found: i32 = if versioned.fetch_one(&mut *transaction).await?.try_get(0)? {
        sqlx::query("SELECT version FROM schema_version").fetch_one(&mut *transaction).await?.try_get(0)?
    } else {
        let create =
            "CREATE TABLE schema_version (version int NOT NULL); INSERT INTO schema_version VALUES (0)";
        raw_sql(create).execute(&mut *transaction).await?;
        0
    };
    let Some(missing) = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found..)) else {
        return Err(OpenError::Newer { found, known: MIGRATIONS.len() });
    };
    for migration in missing {
        raw_sql(*migration).execute(&mut *transaction).await?;
        sqlx::query("UPDATE schema_version SET version = version + 1").execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

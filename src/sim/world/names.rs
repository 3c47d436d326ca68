//! Invented people and the municipality they work in: names, departments, sections and titles.
//!
//! The names are chosen for their letters (æøå, Sami letters, apostrophes, hyphens, spaces), since those
//! are what goes wrong between directories.

use serde_json::{Value, json};

use super::Properties;

/// A department of the municipality.
pub(super) struct Department {
    pub(super) name: &'static str,
    pub(super) sections: &'static [&'static str],
    /// The first title is the head's.
    pub(super) titles: &'static [&'static str],
}

const fn department(
    name: &'static str,
    sections: &'static [&'static str],
    titles: &'static [&'static str],
) -> Department {
    Department { name, sections, titles }
}

/// The departments; one name holds a slash and one an ampersand, as real ones do.
pub(super) const DEPARTMENTS: &[Department] = &[
    department(
        "Oppvekst",
        &[
            "Solvang skole",
            "Bjørkelia skole",
            "Nesbrygga barnehage",
            "PP-tjenesten",
            "Åsgård skole",
        ],
        &[
            "Kommunalsjef oppvekst",
            "Rektor",
            "Lærer",
            "Lærer",
            "Barnehagelærer",
            "Assistent",
            "Spesialpedagog",
        ],
    ),
    department(
        "Helse og omsorg",
        &[
            "Hjemmetjenesten",
            "Bråset bo- og omsorgssenter",
            "Legevakten",
            "Psykisk helse",
            "Fysioterapi",
        ],
        &[
            "Kommunalsjef helse",
            "Avdelingsleder",
            "Sykepleier",
            "Helsefagarbeider",
            "Vernepleier",
            "Lege",
        ],
    ),
    department(
        "Teknisk drift",
        &["Vei", "Vann og avløp", "Eiendom", "Brann og redning"],
        &[
            "Virksomhetsleder",
            "Ingeniør",
            "Fagarbeider",
            "Vaktmester",
            "Renholder",
            "Driftstekniker",
        ],
    ),
    department(
        "Plan & bygg",
        &["Byggesak", "Arealplan", "Kart og oppmåling"],
        &["Plansjef", "Saksbehandler", "Arealplanlegger", "Landmåler"],
    ),
    department(
        "Kultur/fritid",
        &["Biblioteket", "Kulturskolen", "Idrett og friluftsliv"],
        &["Kultursjef", "Bibliotekar", "Kulturskolelærer", "Ungdomsarbeider"],
    ),
    department(
        "Økonomi",
        &["Regnskap", "Innkjøp", "Skatt og innfordring"],
        &["Økonomisjef", "Controller", "Regnskapskonsulent", "Innkjøpsrådgiver"],
    ),
    department(
        "HR og digitalisering",
        &["IKT drift", "Lønn", "Dokumentsenteret"],
        &["HR-sjef", "Systemansvarlig", "Lønnskonsulent", "Arkivar", "Rådgiver"],
    ),
    department("NAV", &["Mottak", "Oppfølging"], &["NAV-leder", "Veileder", "Gjeldsrådgiver"]),
];

const GIVEN_NAMES: &[&str] = &[
    "Kari",
    "Ola",
    "Åse",
    "Bjørn",
    "Øyvind",
    "Ingrid",
    "Lars",
    "Anne-Lise",
    "Torbjørn",
    "Sølvi",
    "Máret",
    "Niillas",
    "Áile",
    "Ánte",
    "Iŋgá",
    "Márjá",
    "Lásse",
    "Ráijá",
    "Lieđđi",
    "Jïeren",
    "Fatima",
    "Mohammed",
    "Agnieszka",
    "Nguyễn",
    "José",
    "Zoë",
    "Håkon",
    "Kjersti",
    "Per Ivar",
    "Gunnhild",
    "Æsa",
    "Sigurd",
    "Tone",
    "Magnus",
    "Hanne",
    "Eirik",
    "Liv",
    "Arvid",
    "Ragnhild",
];

const SURNAMES: &[&str] = &[
    "Nordmann",
    "Hansen",
    "Østby",
    "Ødegård",
    "Bråten",
    "Sæther",
    "Lunde",
    "Haugen",
    "Kjærstad",
    "Somby",
    "Hætta",
    "Čállá",
    "Ŋuovtta",
    "Bïentie",
    "Jåma",
    "Šaŋká",
    "Bihttoš",
    "Duođđar",
    "Guŧŧorm",
    "O'Brien",
    "D'Angelo",
    "N'Diaye",
    "van der Berg",
    "Ali-Khan",
    "Kowalczyk",
    "Åsheim",
    "Moe",
    "Bakke-Næss",
    "Solberg",
    "Dahl",
    "Strøm",
    "Vik",
    "Fjeld",
    "Myhre",
    "Aas",
    "Ruud",
    "Engen",
];

const STREETS: &[&str] =
    &["Storgata", "Kirkeveien", "Sjøgata", "Øvre Åsvei", "Skolebakken", "Strandpromenaden"];
const TOWNS: &[(&str, &str)] =
    &[("Asker", "1383"), ("Slemmestad", "3470"), ("Sætre", "3475"), ("Røyken", "3440")];
const LANGUAGES: &[&str] = &["nb-NO", "nb-NO", "nb-NO", "nn-NO", "se-NO", "en-GB"];

/// A given name and a surname.
pub(super) fn full_name(rng: &mut fastrand::Rng) -> (&'static str, &'static str) {
    (pick(rng, GIVEN_NAMES), pick(rng, SURNAMES))
}

/// A surname alone, for those who marry.
pub(super) fn surname(rng: &mut fastrand::Rng) -> &'static str {
    pick(rng, SURNAMES)
}

/// A department of the municipality.
pub(super) fn any_department(rng: &mut fastrand::Rng) -> &'static Department {
    rng.choice(DEPARTMENTS).unwrap_or(&DEPARTMENTS[0])
}

/// One of `texts`, which is never empty.
pub(super) fn pick(rng: &mut fastrand::Rng, texts: &[&'static str]) -> &'static str {
    rng.choice(texts).copied().unwrap_or_default()
}

/// A title in the department, not the head's.
pub(super) fn title(rng: &mut fastrand::Rng, department: &Department) -> &'static str {
    pick(rng, department.titles.get(1..).unwrap_or_default())
}

/// The part of a user principal name before the at sign: ASCII, as address policies make it, with the
/// apostrophe kept, since Entra allows it.
pub(super) fn mail_name(given: &str, surname: &str) -> String {
    let mut name = String::new();
    for letter in format!("{given}.{surname}").to_lowercase().chars() {
        match letter {
            'æ' => name.push_str("ae"),
            'ø' => name.push('o'),
            'å' | 'á' | 'à' => name.push('a'),
            'č' => name.push('c'),
            'đ' => name.push('d'),
            'ŋ' => name.push('n'),
            'š' => name.push('s'),
            'ŧ' => name.push('t'),
            'ž' => name.push('z'),
            'ï' => name.push('i'),
            'é' | 'ë' | 'ễ' => name.push('e'),
            ' ' => name.push('.'),
            other => name.push(other),
        }
    }
    name
}

/// An employee of `department`, with everything an HR system fills in; `number` is the employee number.
pub(super) fn employee(
    rng: &mut fastrand::Rng,
    department: &Department,
    (given, surname): (&str, &str),
    upn: &str,
    number: usize,
) -> Properties {
    let section = pick(rng, department.sections);
    let (town, postal_code) = rng.choice(TOWNS).copied().unwrap_or_default();
    let (hired, language) = (day(rng), pick(rng, LANGUAGES));
    let mut properties = Properties::new();
    let mut put = |name: &str, value: Value| {
        properties.insert(name.to_owned(), value);
    };
    put("accountEnabled", (rng.u8(..100) >= 2).into());
    put("userType", "Member".into());
    put("displayName", format!("{given} {surname}").into());
    put("givenName", given.into());
    put("surname", surname.into());
    put("userPrincipalName", upn.into());
    put("mailNickname", upn.split('@').next().unwrap_or_default().into());
    put("employeeId", format!("{number:05}").into());
    put("employeeType", pick(rng, &["Fast", "Fast", "Vikar", "Lærling"]).into());
    put("employeeHireDate", hired.clone().into());
    put("createdDateTime", hired.into());
    put("jobTitle", title(rng, department).into());
    put("department", department.name.into());
    put("companyName", "Asker kommune".into());
    put("officeLocation", section.into());
    put("city", town.into());
    put("postalCode", postal_code.into());
    put("streetAddress", format!("{} {}", pick(rng, STREETS), rng.u8(1..120)).into());
    put("country", "Norge".into());
    put("usageLocation", "NO".into());
    put("preferredLanguage", language.into());
    put(
        "employeeOrgData",
        json!({ "division": department.name, "costCenter": rng.u16(3000..4000).to_string() }),
    );
    if rng.u8(..100) >= 5 {
        put("mail", upn.into());
    }
    if rng.u8(..100) < 60 {
        put("mobilePhone", format!("+47 9{:07}", rng.u32(..10_000_000)).into());
    }
    let desk = format!("+47 66{:06}", rng.u32(..1_000_000));
    put("businessPhones", if rng.bool() { json!([desk]) } else { json!([]) });
    // People who come from the municipality's own Active Directory carry its attributes, all fifteen or none.
    let synced = rng.bool();
    put("onPremisesSyncEnabled", if synced { true.into() } else { Value::Null });
    if synced {
        put("onPremisesExtensionAttributes", extension_attributes(section));
    }
    properties
}

/// A guest from another organisation: known by mail, with the mangled name that Entra makes of it.
pub(super) fn guest((given, surname): (&str, &str), number: usize, domain: &str) -> Properties {
    let mail = format!("{}{number}@partner.example.no", mail_name(given, surname));
    let upn = format!("{}#EXT#@{domain}", mail.replace('@', "_"));
    let pairs = [
        ("accountEnabled", Value::Bool(true)),
        ("userType", "Guest".into()),
        ("creationType", "Invitation".into()),
        (
            "externalUserState",
            if number.is_multiple_of(3) { "PendingAcceptance" } else { "Accepted" }.into(),
        ),
        ("displayName", format!("{given} {surname} (ekstern)").into()),
        ("givenName", given.into()),
        ("surname", surname.into()),
        ("mail", mail.into()),
        ("userPrincipalName", upn.into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn extension_attributes(section: &str) -> Value {
    let value = |number| if number == 1 { section.into() } else { Value::Null };
    Value::Object(
        (1..=15).map(|number| (format!("extensionAttribute{number}"), value(number))).collect(),
    )
}

fn day(rng: &mut fastrand::Rng) -> String {
    format!("20{:02}-{:02}-{:02}T07:00:00Z", rng.u8(5..26), rng.u8(1..13), rng.u8(1..29))
}

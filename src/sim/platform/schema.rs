//! What a user and a group are made of: RFC 7643 sections 3, 4.1, 4.2, 4.3 and 7 as tables.
//!
//! Everything else (validation, filters, paths, `/Schemas`) reads these tables, so that a characteristic
//! is stated once. An extension is treated as one complex attribute whose name is its URN; paths, filters
//! and projections then need no case of their own for it.

/// Data type of an attribute (RFC 7643 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Boolean,
    DateTime,
    Reference,
    Binary,
    Complex,
}

/// Who may change an attribute (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutability {
    ReadOnly,
    ReadWrite,
    Immutable,
    WriteOnly,
}

/// When an attribute is returned (RFC 7643 §7); `request` occurs in none of our schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returned {
    Always,
    Never,
    Default,
}

/// Where a value may occur once only (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uniqueness {
    None,
    Server,
}

/// One attribute with its characteristics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) multi: bool,
    pub(super) required: bool,
    pub(super) case_exact: bool,
    pub(super) mutability: Mutability,
    pub(super) returned: Returned,
    pub(super) uniqueness: Uniqueness,
    pub(super) canonical: &'static [&'static str],
    pub(super) references: &'static [&'static str],
    pub(super) sub: &'static [Attribute],
}

impl Attribute {
    /// An attribute with the defaults of RFC 7643 §2.2.
    const fn new(name: &'static str, kind: Type) -> Self {
        Self {
            name,
            kind,
            multi: false,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical: &[],
            references: &[],
            sub: &[],
        }
    }

    const fn text(name: &'static str) -> Self {
        Self::new(name, Type::String)
    }

    const fn complex(name: &'static str, sub: &'static [Self]) -> Self {
        Self { sub, ..Self::new(name, Type::Complex) }
    }

    const fn many(name: &'static str, sub: &'static [Self]) -> Self {
        Self { multi: true, ..Self::complex(name, sub) }
    }

    /// A reference is case exact: it is a URI (RFC 7643 §2.3.7).
    const fn reference(name: &'static str, references: &'static [&'static str]) -> Self {
        Self { references, case_exact: true, ..Self::new(name, Type::Reference) }
    }

    const fn canonical(self, canonical: &'static [&'static str]) -> Self {
        Self { canonical, ..self }
    }

    const fn with(self, mutability: Mutability) -> Self {
        Self { mutability, ..self }
    }

    const fn returned(self, returned: Returned) -> Self {
        Self { returned, ..self }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn exact(self) -> Self {
        Self { case_exact: true, ..self }
    }

    const fn unique(self) -> Self {
        Self { uniqueness: Uniqueness::Server, ..self }
    }

    /// The sub-attribute of that name; names ignore case (RFC 7643 §2.1).
    pub(super) fn find(&self, name: &str) -> Option<&'static Self> {
        find(self.sub, name)
    }

    /// Whether this is a schema extension rather than an attribute of the core schema.
    pub(super) fn is_extension(&self) -> bool {
        self.name.starts_with("urn:")
    }
}

fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

const VALUE: Attribute = Attribute::text("value");
const DISPLAY: Attribute = Attribute::text("display");
const TYPE: Attribute = Attribute::text("type");
const PRIMARY: Attribute = Attribute::new("primary", Type::Boolean);

/// Attributes that every resource has (RFC 7643 §3).
const COMMON: &[Attribute] = &[
    Attribute { multi: true, ..Attribute::reference("schemas", &["uri"]) }
        .returned(Returned::Always),
    Attribute::text("id").exact().with(Mutability::ReadOnly).returned(Returned::Always),
    Attribute::text("externalId").exact(),
    Attribute::complex(
        "meta",
        &[
            Attribute::text("resourceType").exact(),
            Attribute::new("created", Type::DateTime),
            Attribute::new("lastModified", Type::DateTime),
            Attribute::reference("location", &["uri"]),
            Attribute::text("version").exact(),
        ],
    )
    .with(Mutability::ReadOnly),
];

/// RFC 7643 §4.1 and §8.7.1.
const USER: &[Attribute] = &[
    Attribute::text("userName").required().unique(),
    Attribute::complex(
        "name",
        &[
            Attribute::text("formatted"),
            Attribute::text("familyName"),
            Attribute::text("givenName"),
            Attribute::text("middleName"),
            Attribute::text("honorificPrefix"),
            Attribute::text("honorificSuffix"),
        ],
    ),
    Attribute::text("displayName"),
    Attribute::text("nickName"),
    Attribute::reference("profileUrl", &["external"]),
    Attribute::text("title"),
    Attribute::text("userType"),
    Attribute::text("preferredLanguage"),
    Attribute::text("locale"),
    Attribute::text("timezone"),
    Attribute::new("active", Type::Boolean),
    Attribute::text("password").with(Mutability::WriteOnly).returned(Returned::Never),
    Attribute::many(
        "emails",
        &[VALUE, DISPLAY, TYPE.canonical(&["work", "home", "other"]), PRIMARY],
    ),
    Attribute::many(
        "phoneNumbers",
        &[
            VALUE,
            DISPLAY,
            TYPE.canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
            PRIMARY,
        ],
    ),
    Attribute::many(
        "ims",
        &[
            VALUE,
            DISPLAY,
            TYPE.canonical(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
            PRIMARY,
        ],
    ),
    Attribute::many(
        "photos",
        &[
            Attribute::reference("value", &["external"]),
            DISPLAY,
            TYPE.canonical(&["photo", "thumbnail"]),
            PRIMARY,
        ],
    ),
    Attribute::many(
        "addresses",
        &[
            Attribute::text("formatted"),
            Attribute::text("streetAddress"),
            Attribute::text("locality"),
            Attribute::text("region"),
            Attribute::text("postalCode"),
            Attribute::text("country"),
            TYPE.canonical(&["work", "home", "other"]),
            PRIMARY,
        ],
    ),
    Attribute::many(
        "groups",
        &[
            VALUE.with(Mutability::ReadOnly),
            Attribute::reference("$ref", &["User", "Group"]).with(Mutability::ReadOnly),
            DISPLAY.with(Mutability::ReadOnly),
            TYPE.canonical(&["direct", "indirect"]).with(Mutability::ReadOnly),
        ],
    )
    .with(Mutability::ReadOnly),
    Attribute::many("entitlements", &[VALUE, DISPLAY, TYPE, PRIMARY]),
    Attribute::many("roles", &[VALUE, DISPLAY, TYPE, PRIMARY]),
    Attribute::many(
        "x509Certificates",
        &[Attribute::new("value", Type::Binary).exact(), DISPLAY, TYPE, PRIMARY],
    ),
];

/// RFC 7643 §4.3.
pub(super) const ENTERPRISE: Attribute = Attribute::complex(
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    &[
        Attribute::text("employeeNumber"),
        Attribute::text("costCenter"),
        Attribute::text("organization"),
        Attribute::text("division"),
        Attribute::text("department"),
        Attribute::complex(
            "manager",
            &[
                VALUE,
                Attribute::reference("$ref", &["User"]),
                Attribute::text("displayName").with(Mutability::ReadOnly),
            ],
        ),
    ],
);

/// RFC 7643 §4.2; `displayName` is required by its text.
const GROUP: &[Attribute] = &[
    Attribute::text("displayName").required(),
    Attribute::many(
        "members",
        &[
            VALUE.with(Mutability::Immutable),
            Attribute::reference("$ref", &["User", "Group"]).with(Mutability::Immutable),
            TYPE.canonical(&["User", "Group"]).with(Mutability::Immutable),
            DISPLAY.with(Mutability::ReadOnly),
        ],
    ),
];

/// The two kinds of resources that the platform holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An account.
    User,
    /// A group of accounts and of other groups.
    Group,
}

impl Kind {
    /// `User` or `Group`, as in `meta.resourceType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Path of the collection below the base URL, without a slash.
    pub(super) fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    /// URN of the core schema.
    pub(super) fn urn(self) -> &'static str {
        match self {
            Self::User => "urn:ietf:params:scim:schemas:core:2.0:User",
            Self::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
        }
    }

    /// Attributes of the core schema, without the common ones.
    pub(super) fn core(self) -> &'static [Attribute] {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    /// The schema extension of this kind, as one complex attribute.
    pub(super) fn extension(self) -> Option<&'static Attribute> {
        const { &Some(ENTERPRISE) }.as_ref().filter(|_| self == Self::User)
    }

    /// The top-level attribute of that name, an extension by its URN.
    pub(super) fn find(self, name: &str) -> Option<&'static Attribute> {
        find(COMMON, name).or_else(|| find(self.core(), name)).or_else(|| {
            self.extension().filter(|extension| extension.name.eq_ignore_ascii_case(name))
        })
    }
}

/// Where a name is looked up: in a resource, or inside the brackets of a value path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    Resource(Kind),
    Inside(&'static Attribute),
}

impl Scope {
    /// Resolves an attribute path (`name.givenName`, `urn:…:User:manager.value`, `$ref`) to the chain of
    /// attributes it walks through (RFC 7644 §3.10); `None` when a name is unknown.
    pub(super) fn resolve(self, path: &str) -> Option<Vec<&'static Attribute>> {
        match self {
            Self::Inside(attribute) => descend(attribute, path),
            Self::Resource(kind) => {
                if let Some(extension) = kind.extension()
                    && let Some(rest) = strip_prefix_ignoring_case(path, extension.name)
                {
                    let mut chain = vec![extension];
                    if !rest.is_empty() {
                        chain.extend(descend(extension, rest.strip_prefix(':')?)?);
                    }
                    return Some(chain);
                }
                let name = strip_prefix_ignoring_case(path, kind.urn())
                    .map_or(Some(path), |rest| rest.strip_prefix(':'))?;
                let (first, rest) = name.split_once('.').unwrap_or((name, ""));
                let top = kind.find(first)?;
                let mut chain = vec![top];
                if !rest.is_empty() {
                    chain.extend(descend(top, rest)?);
                }
                Some(chain)
            }
        }
    }
}

fn descend(from: &'static Attribute, path: &str) -> Option<Vec<&'static Attribute>> {
    let mut chain = Vec::new();
    let mut here = from;
    for name in path.split('.') {
        here = here.find(name)?;
        chain.push(here);
    }
    Some(chain)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

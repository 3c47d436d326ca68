//! How a resource is shown: computed attributes, projection, and the shapes of platforms with quirks.

use serde_json::{Map, Value, json};

use super::habits::version;
use super::projection::Projection;
use super::schema::Kind;
use super::store::Row;
use super::{Platform, Quirk, instant};

impl Platform {
    pub(super) fn location(&self, kind: Kind, id: &str) -> String {
        format!("{}/{}/{id}", self.options.base_url.trim_end_matches('/'), kind.endpoint())
    }

    /// The whole resource in canonical form; `shows` says which of the costly parts are wanted.
    pub(super) fn full(&self, resource: &Row, shows: impl Fn(&str) -> bool) -> Map<String, Value> {
        let mut map = resource.attributes();
        let mut schemas = vec![resource.kind.urn()];
        let extension = resource.kind.extension().map(|extension| extension.name);
        schemas.extend(extension.filter(|urn| map.contains_key(*urn)));
        map.insert("schemas".to_owned(), json!(schemas));
        map.insert("id".to_owned(), json!(&*resource.id));
        map.insert(
            "meta".to_owned(),
            json!({
                "resourceType": resource.kind.name(),
                "created": instant(resource.created_ms).to_string(),
                "lastModified": instant(resource.modified_ms).to_string(),
                "location": self.location(resource.kind, &resource.id),
            }),
        );
        if self.faults.answers.wants_versions.is_some()
            && let Some(meta) = map.get_mut("meta").and_then(Value::as_object_mut)
        {
            meta.insert("version".to_owned(), json!(version(resource)));
        }
        let (name, items): (_, Vec<_>) = match resource.kind {
            Kind::User if shows("groups") => {
                let groups = self.store.groups_of(&resource.id).into_iter();
                ("groups", groups.map(|group| self.group_json(group)).collect())
            }
            Kind::Group if shows("members") => {
                let members = self.store.by_id(resource.members.iter().copied()).into_iter();
                ("members", members.map(|it| Value::Object(self.member_json(it))).collect())
            }
            _ => return map,
        };
        if !items.is_empty() {
            map.insert(name.to_owned(), Value::Array(items));
        }
        map
    }

    /// A group as its member shows it.
    fn group_json(&self, group: &Row) -> Value {
        json!({
            "value": &*group.id,
            "$ref": self.location(Kind::Group, &group.id),
            "display": group.display_name().unwrap_or_default(),
            "type": "direct",
        })
    }

    /// The resource as it is answered.
    pub(super) fn shown(&self, resource: &Row, projection: &Projection) -> Value {
        let full = self.full(resource, |name| projection.shows(name));
        let mut map = projection.cut(resource.kind, full);
        if resource.kind == Kind::Group && projection.shows("members") {
            let is_named = matches!(projection, Projection::Only(_));
            self.faults.members.hide(&mut map, is_named);
        }
        if self.faults.blanks && resource.kind == Kind::User && projection.shows("emails") {
            map.entry("emails").or_insert_with(|| json!([{ "primary": true, "value": "" }]));
        }
        if self.has(&Quirk::NoMeta) {
            map.remove("meta");
        }
        if self.has(&Quirk::ActiveAsText)
            && let Some(Value::Bool(active)) = map.get("active")
        {
            let text = if *active { "True" } else { "False" };
            map.insert("active".to_owned(), json!(text));
        }
        if let Some(Value::Bool(active)) = map.get("active").cloned() {
            let is_hidden =
                self.has(&Quirk::ActiveNotTold) || (!active && self.has(&Quirk::InactiveNotTold));
            let bent = if self.has(&Quirk::ActiveAsNumber) {
                json!(u8::from(active))
            } else if self.has(&Quirk::ActiveAsDigit) {
                json!(if active { "1" } else { "0" })
            } else if self.has(&Quirk::ActiveAsWord) {
                json!(if active { "enabled" } else { "inactive" })
            } else {
                json!(active)
            };
            map.insert("active".to_owned(), bent);
            if is_hidden {
                map.remove("active");
            }
        }
        if let Some((id, name, bytes)) = &self.faults.oversized
            && *resource.id == **id
        {
            map.insert(name.clone(), json!("x".repeat(*bytes)));
        }
        if self.has(&Quirk::NumericIds) {
            map.entry("id").and_modify(into_number);
            for list in ["members", "groups"] {
                let items = map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
                items.filter_map(|item| item.get_mut("value")).for_each(into_number);
            }
        }
        Value::Object(map)
    }
}

fn into_number(id: &mut Value) {
    if let Some(number) = id.as_str().and_then(|id| id.parse::<u64>().ok()) {
        *id = json!(number);
    }
}

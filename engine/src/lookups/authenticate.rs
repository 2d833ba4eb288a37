//! The authentication of mail as look-ups. DKIM, ARC and DMARC want the same work on the same message: it is done once, for
//! whichever asks first.

use std::rc::Rc;

use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::auth::{self, Author, Client, Finding, Keys, Method, Spf, Verified, Wanted};
use crate::dns::{self, Upstream};
use crate::facts::{Answer, Facts};
use crate::generation::{Generation, Question};
use crate::limits::{AUTH_INLINE_BYTES_MAX, AUTH_INLINE_KEYS_MAX, AUTH_THREADS_MAX, AUTH_WITHIN};
use crate::mail::{self, Message};
use crate::question;

/// What was verified of a message, once somebody has asked.
#[derive(Clone)]
pub(super) struct Shared {
    message: Rc<Message>,
    verified: Rc<OnceCell<Rc<Verified>>>,
}

impl Shared {
    /// Nothing yet.
    pub(super) fn new(message: &Rc<Message>) -> Self {
        Self { message: Rc::clone(message), verified: Rc::default() }
    }

    /// Whether it is of this message.
    pub(super) fn is_of(&self, message: &Rc<Message>) -> bool {
        Rc::ptr_eq(&self.message, message)
    }
}

/// The look-ups of one message.
#[derive(Clone)]
pub(super) struct Authentication {
    upstream: Upstream,
    client: Client,
    wanted: Wanted,
    /// None before there is a message: SPF can be asked earlier.
    shared: Option<Shared>,
}

impl Authentication {
    /// Of the mail of a session.
    pub(super) fn new(facts: &Facts, upstream: Upstream, shared: Option<Shared>) -> Self {
        Self { upstream, client: question::mail_client(facts), wanted: wanted(&facts.generation), shared }
    }

    /// All that there is to find out of a message.
    pub(super) fn whole(client: Client, upstream: Upstream, message: &Rc<Message>) -> Self {
        Self {
            upstream,
            client,
            wanted: Wanted { dkim: true, arc: true },
            shared: Some(Shared::new(message)),
        }
    }

    /// What is known without asking.
    pub(super) fn try_find(&self, method: Method) -> Option<Finding> {
        match method {
            Method::Spf => {
                self.upstream.try_settled(|known| auth::spf(&self.client, known)).map(Finding::Spf)
            }
            _ => None,
        }
    }

    /// Finds out.
    pub(super) async fn find(&self, method: Method) -> Finding {
        let Some(shared) = self.shared.as_ref().filter(|_| method != Method::Spf) else {
            return if method == Method::Spf { Finding::Spf(self.spf().await) } else { method.unknown() };
        };
        match method {
            Method::Spf => Finding::Spf(self.spf().await),
            Method::Dkim => Finding::Dkim(self.verified(shared).await.dkim.clone()),
            Method::Arc => Finding::Arc(self.verified(shared).await.arc.clone()),
            Method::Dmarc => {
                let author = Author::of(&shared.message);
                let (spf, verified) = tokio::join!(self.spf(), self.verified(shared));
                let step = |known: dns::Known<'_>| auth::dmarc(&author, &spf, &verified.dkim, known);
                Finding::Dmarc(self.upstream.settle(AUTH_WITHIN, step).await)
            }
        }
    }

    async fn spf(&self) -> Spf {
        self.upstream.settle(AUTH_WITHIN, |known| auth::spf(&self.client, known)).await
    }

    async fn verified(&self, shared: &Shared) -> Rc<Verified> {
        let verify = async || Rc::new(verified(&self.upstream, &shared.message, self.wanted).await);
        Rc::clone(shared.verified.get_or_init(verify).await)
    }
}

/// What the rules can ask of a message.
fn wanted(generation: &Generation) -> Wanted {
    let asks = |methods: &[Method]| {
        generation
            .questions
            .iter()
            .any(|question| matches!(question, Question::Auth(method) if methods.contains(method)))
    };
    Wanted { dkim: asks(&[Method::Dkim, Method::Dmarc]), arc: asks(&[Method::Arc]) }
}

/// Asks for the keys of a message, all together, and verifies it.
async fn verified(upstream: &Upstream, message: &Message, wanted: Wanted) -> Verified {
    let content = message.content();
    let names = auth::needs(content, wanted);
    let questions: Vec<_> = names.iter().map(|name| (name, Keys::question(name))).collect();
    for question in questions.iter().filter_map(|(_, question)| question.as_ref()) {
        upstream.begin(question);
    }
    let deadline = Instant::now() + AUTH_WITHIN;
    let mut keys = Keys::default();
    for (name, question) in &questions {
        let answer = match question {
            Some(question) => {
                upstream.ask(question, deadline.saturating_duration_since(Instant::now())).await
            }
            None => dns::Answer::None,
        };
        keys.add(name, &answer);
    }
    // Without a key there is nothing to hash.
    let content =
        if names.is_empty() { content.get(..mail::header_end(content)).unwrap_or_default() } else { content };
    if content.len() <= AUTH_INLINE_BYTES_MAX && names.len() <= AUTH_INLINE_KEYS_MAX {
        return auth::verify(content, &keys, wanted);
    }
    on_thread(content, keys, wanted).await
}

/// Places for threads: a burst waits here.
static THREADS: Semaphore = Semaphore::const_new(AUTH_THREADS_MAX);

async fn on_thread(content: &[u8], keys: Keys, wanted: Wanted) -> Verified {
    let place = THREADS.acquire().await;
    let content = content.to_vec();
    let verified = tokio::task::spawn_blocking(move || {
        let verified = auth::verify(&content, &keys, wanted);
        drop(place);
        verified
    });
    verified.await.unwrap_or_else(|_panicked| Verified::unknown())
}

/// A finding as the answer of a look-up.
pub(super) fn answer(finding: Finding) -> Answer {
    Answer::Auth(Rc::new(finding))
}

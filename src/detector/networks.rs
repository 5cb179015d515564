//! The networks that look at one camera's pictures: the model itself, and a smaller one of
//! the same family for faces that are looked at closely.

use super::trial::Trials;
use super::{Detector, ModelError, ModelInfo, Settings, load};
use crate::geometry::Size;
use crate::zones::Masks;

/// Which of the networks looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The model that was asked for: pictures and pieces of them.
    Main,
    /// The first of `model.close` that fits it, or itself: single faces.
    Close,
}

/// What looks.
#[derive(Debug)]
pub struct Networks {
    main: Detector,
    /// None: the main one looks closely, too.
    close: Option<Detector>,
    /// Those that could have looked closely, each with its path and the reason.
    close_refused: Vec<String>,
    /// Whether `model.close` names any.
    sought: bool,
}

impl Networks {
    /// Loads the model that `settings` name, and the first of `model.close` that is there in
    /// the same version and knows the same classes, so that what they see can be compared.
    ///
    /// # Errors
    ///
    /// The model is refused. A companion that is refused is none:
    /// [`refused`](Self::refused) says so.
    pub fn load(settings: &Settings) -> Result<Self, ModelError> {
        let mut trials = Trials::default();
        let main = load::load(settings, &mut trials)?;
        let (close, close_refused) = load::companion(settings, main.info(), &mut trials);
        let networks = Self { main, close, close_refused, sought: !settings.close.is_empty() };
        log::info!("faces are looked at closely by {}", networks.closely());
        Ok(networks)
    }

    /// The model that was asked for.
    pub fn main(&self) -> &Detector {
        &self.main
    }

    /// What is known about the model that was asked for.
    pub fn info(&self) -> &ModelInfo {
        self.main.info()
    }

    /// What is known about the one that looks closely, where the model does not do that itself.
    pub fn close(&self) -> Option<&ModelInfo> {
        self.close.as_ref().map(Detector::info)
    }

    /// What looks closely, for a person: its id, or the model itself and why.
    pub fn closely(&self) -> String {
        let version = &self.info().version;
        let why = match &self.close {
            Some(close) => return close.info().id.clone(),
            None if !self.sought => "model.close is empty".to_owned(),
            None if self.close_refused.is_empty() => {
                format!("model.close has none in version {version}")
            }
            None => format!("those of version {version} were refused"),
        };
        format!("the model itself ({why})")
    }

    /// What is known about the one that looks closely.
    pub fn close_info(&self) -> &ModelInfo {
        self.close().unwrap_or(self.info())
    }

    /// Each model that was refused: its path, the reason, and what does its work.
    pub fn refused(&self) -> Vec<String> {
        let main = self.main.refused().iter();
        let main = main.map(|why| format!("{why}; {} runs instead", self.info().id));
        let itself = if self.close.is_some() { "instead" } else { "itself" };
        let close = self.close_refused.iter();
        let close =
            close.map(|why| format!("{why}; {} looks closely {itself}", self.close_info().id));
        main.chain(close).collect()
    }

    /// Only those that could have looked closely, each with its path and the reason.
    pub fn close_refused(&self) -> &[String] {
        &self.close_refused
    }

    /// The input of one of them, in pixels.
    pub fn input(&self, network: Network) -> Size {
        match network {
            Network::Main => self.info().input,
            Network::Close => self.close_info().input,
        }
    }

    /// What none of them must see from now on.
    pub fn set_masks(&mut self, masks: &Masks) {
        self.main.set_masks(masks.clone());
        if let Some(close) = &mut self.close {
            close.set_masks(masks.clone());
        }
    }

    /// One of them, to look with.
    pub fn get_mut(&mut self, network: Network) -> &mut Detector {
        match (network, &mut self.close) {
            (Network::Close, Some(close)) => close,
            _ => &mut self.main,
        }
    }
}

//! The networks that look at one camera's pictures: the model itself, and a smaller one of
//! the same family for faces that are looked at closely.

use super::{Detector, ModelError, ModelInfo, Settings, load};
use crate::geometry::Size;
use crate::zones::Masks;

/// Which of the networks looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The model that was asked for: pictures and pieces of them.
    Main,
    /// The smallest one that there is: single faces.
    Close,
}

/// What looks.
#[derive(Debug)]
pub struct Networks {
    main: Detector,
    /// None: the main one looks closely, too.
    close: Option<Detector>,
    refused: Vec<String>,
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
        let main = Detector::load(settings)?;
        let mut refused = main.refused().to_vec();
        let close = load::companion(settings, main.info(), &mut refused);
        if let Some(close) = &close {
            log::info!("faces are looked at closely by {}", close.info().id);
        }
        Ok(Self { main, close, refused })
    }

    /// One network for everything.
    pub fn of(main: Detector) -> Self {
        let refused = main.refused().to_vec();
        Self { main, close: None, refused }
    }

    /// What is known about the model that was asked for.
    pub fn info(&self) -> &ModelInfo {
        self.main.info()
    }

    /// What is known about the one that looks closely.
    pub fn close_info(&self) -> &ModelInfo {
        self.close.as_ref().unwrap_or(&self.main).info()
    }

    /// Models that were refused, each with its path and the reason.
    pub fn refused(&self) -> &[String] {
        &self.refused
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
